# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Print how often noise is beyond a number of sigma, for each kernel.

The rates are exact, see ``tails.py``, and in units of those of N(0, 1). With
``--docs`` they are written into the table of ``docs/user-guide/residuals.rst``.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from calibration import is_beyond, poisson_range
from page import replace_part
from reference import ROOT
from tail_kernels import KERNELS_PSF, make_lattice
from tails import SIGMAS, tail_rates
import numpy as np
from scipy.stats import norm, poisson
from gammapy.stats.residuals import compute_sqrt_ts_on_off
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted

__all__ = ["CASES", "kernel_rates", "render"]

PAGE = ROOT / "docs" / "user-guide" / "residuals.rst"

#: Effective counts of the rows, by kernel.
CASES = {
    "tophat": (0.5, 1, 2, 5, 10, 30, 100, 300),
    "gauss": (0.5, 1, 2, 5, 10, 100),
    "point-source, H.E.S.S.": (0.5, 1, 2, 5, 7, 10, 100),
    "point-source, Fermi": (0.5, 1, 2, 5, 10, 100),
    "gauss with spike": (0.5, 2, 5, 10, 100),
    "disc with spike": (0.5, 2, 5, 10, 100),
    "on-off, alpha 1": (1, 5, 10, 30, 100),
    "on-off, alpha 0.2": (1, 5, 10, 30, 100),
}
#: Acceptance ratio of the rows of on-off data, which are top-hats.
ALPHAS = {"on-off, alpha 1": 1.0, "on-off, alpha 0.2": 0.2}
# Few counts need a fine lattice, for the lower tail ends with a few of its steps.
FEW, N_LEVELS_FEW, N_LEVELS = 10, 20_000, 2000


def kernel_rates(name, mu):
    """Rates beyond each threshold, in units of those of N(0, 1).

    Those of on-off data are for the expected on counts, and no signal.

    Parameters
    ----------
    name : str
        Kernel.
    mu : float
        Effective counts.

    Returns
    -------
    rates : `~numpy.ndarray`
        Rates of the significance that the package computes.
    """
    if name in ALPHAS:
        return on_off_rates(mu, ALPHAS[name])
    levels, npred = make_lattice(name, mu, N_LEVELS_FEW if mu <= FEW else N_LEVELS)
    significance = partial(compute_sqrt_ts_weighted, weights=levels, npred=npred)
    return tail_rates(significance, levels, npred)


def on_off_rates(mu, alpha):
    """Rates of on-off data from the probabilities of all pairs of counts."""
    counts, counts_off = poisson_range(mu)[:, np.newaxis], poisson_range(mu / alpha)
    values = compute_sqrt_ts_on_off(counts, counts_off, alpha, npred_signal=0)
    weights = poisson.pmf(counts, mu) * poisson.pmf(counts_off, mu / alpha)
    rates = [
        weights[is_beyond(values, sigma)].sum() / norm.sf(abs(sigma))
        for sigma in SIGMAS
    ]
    return np.array(rates)


def render(rows):
    """Table of rows (kernel, counts, rates) in reStructuredText."""
    names = [f"{'above' if sigma > 0 else 'below'} {sigma}" for sigma in SIGMAS]
    header = ", ".join(f'"{head}"' for head in ("kernel", "counts", *names))
    lines = [
        f'   "{name}", {mu:g}, ' + ", ".join(format_rate(rate) for rate in rates)
        for name, mu, rates in rows
    ]
    options = f"   :header: {header}\n   :widths: 28 12 10 10 10 10 10 10\n"
    return ".. csv-table::\n" + options + "\n" + "\n".join(lines) + "\n"


def format_rate(rate):
    """Rate with two digits behind the point, 0 where nothing is beyond."""
    return f"{rate:.2f}" if rate else "0"


def main(args=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--docs", action="store_true", help="write the table of the guide"
    )
    options = parser.parse_args(args)
    print(f"{'kernel':24}" + "".join(f"{head:>9}" for head in ("counts", *SIGMAS)))
    rows = []
    has_data = Path(os.environ.get("GAMMAPY_DATA") or "missing").is_dir()
    for name, mu in [(kernel, case) for kernel in CASES for case in CASES[kernel]]:
        if name in KERNELS_PSF and not has_data:
            continue
        rates = kernel_rates(name, mu)
        print(
            f"{name:24}{mu:>9g}" + "".join(f"{rate:>9.2f}" for rate in rates),
            flush=True,
        )
        rows.append((name, mu, rates))
    if options.docs and not has_data:
        print("The table stays: point spread functions need $GAMMAPY_DATA.")
    elif options.docs:
        PAGE.write_text(replace_part(PAGE.read_text(), "tails", render(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

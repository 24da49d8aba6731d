# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Ranking of the parameters of a fit by their effect on its result."""

import json
import numpy as np
from gammapy.utils.arguments import check_integer, listed, show
from gammapy.utils.plotter import LazyPlotter
from .result import DiagnosticResult

__all__ = ["Impacts"]

#: Parameters that the verdict names, and smallest share of the error.
MOST, SHARE = 3, 0.1


class Impacts(DiagnosticResult):
    """Impacts of parameters and groups on results, from `ImpactEstimator`.

    Columns of the table, sorted by the size of the impact, groups last:

    - ``name``, ``kind``: unique name of the parameter, or of the group; "parameter" or
      "group";
    - ``value``, ``error``, ``unit``: of the parameter; NaN for groups;
    - ``pull``, ``pull_err``: difference from the expected value, and error, in units of
      the width of a Gaussian prior; for background models in units of the error, with
      expected norms of 1 and tilts of 0; NaN without an expected value;
    - ``impact``: shift of the result if the parameter increases by its error, in the
      unit of the result, from the covariance; for groups, the shift for one standard
      deviation in the direction of the largest shift;
    - ``impact_refit``, ``impact_refit_down``: the same by a fit, for an increase and a
      decrease; NaN without a refit;
    - ``correlation``: correlation of the parameter and the result, which is the impact
      in units of the error of the result. Its square is the fraction of the variance
      due to the parameter, or the group;
    - ``flag``: "not parabolic" if a refit differs from the covariance by more than 2
      percent (and 0.5 percent of the error of the result); "at a bound", "no error",
      "beyond a bound", "a refit failed", "no refit"; "" if there is no problem;
    - ``target``: name of the result, one for each flux point.

    Examples
    --------
    >>> from gammapy.datasets import SpectrumDataset
    >>> from gammapy.diagnostics import ImpactEstimator
    >>> from gammapy.maps import MapAxis, RegionNDMap
    >>> from gammapy.modeling import Fit
    >>> from gammapy.modeling.models import FoVBackgroundModel
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
    >>> dataset.models = FoVBackgroundModel(dataset_name="run")
    >>> dataset.models.parameters["tilt"].frozen = False
    >>> result = Fit("newton").run([dataset])
    >>> impacts = ImpactEstimator("run-bkg.norm").run([dataset])
    >>> impacts.ranking(1)["name", "correlation"].pprint(show_unit=False)
             name         correlation
    --------------------- -----------
    run-bkg.spectral.tilt      +0.873
    """

    COLUMNS = {
        "name": "",
        "value": ".4g",
        "error": ".2g",
        "pull": ".2f",
        "impact": "+.3g",
        "impact_refit": ".3g",
        "correlation": "+.3f",
    }

    plotter = LazyPlotter("ImpactsPlotter")

    def __init__(self, table, meta=None, notes=()):
        super().__init__(table, meta, notes)
        formats = {"pull_err": ".2f", "impact_refit_down": ".3g"}
        for name, text in formats.items():
            if name in self._table.colnames:
                self._table[name].info.format = text

    @property
    def targets(self):
        """The results, a list of dict.

        Each has name, value, error, error_alone (if all other parameters are known),
        unit and energies.
        """
        return self.meta["targets"]

    def correlation(self, target=None):
        """Correlations of all free parameters of the fit.

        Parameters
        ----------
        target : str, optional
            Name of the result: the fit of each flux point has its own. Default is None,
            the first.

        Returns
        -------
        names, models : list of str
            Names of the parameters, and of the first model that each is of.
        matrix : `~numpy.ndarray`
            Correlations, shape (n, n); 0 on the diagonal where there is no error.

        Raises
        ------
        ValueError
            If there is no such result.
        """
        name = self.find_target(target)["name"]
        data = json.loads(self._meta["correlations"])[name]
        return data["names"], data["models"], np.array(data["matrix"])

    def find_target(self, target=None):
        """Result by its name.

        Parameters
        ----------
        target : str, optional
            Name. Default is None, the first.

        Returns
        -------
        target : dict
            Entry of `targets`.

        Raises
        ------
        ValueError
            If there is no such result.
        """
        targets = self.targets
        if target is None:
            return targets[0]
        for entry in targets:
            if entry["name"] == target:
                return entry
        names = listed(entry["name"] for entry in targets)
        raise ValueError(
            f"target: there is no result {show(target)}; choose from {names}."
        )

    def ranking(self, n=None, *, target=None, kind="parameter"):
        """The largest impacts.

        Parameters
        ----------
        n : int, optional
            How many. Default is None, all.
        target : str, optional
            Name of the result. Default is None, the first.
        kind : {"parameter", "group"}, optional
            Whether of parameters or of groups. Default is "parameter".

        Returns
        -------
        table : `~astropy.table.Table`
            Rows of the table, the largest first.
        """
        if n is not None:
            n = check_integer("n", n, low=0, expected="a number of rows")
        name = self.find_target(target)["name"]
        table = self.table
        keep = (np.array(table["target"]) == name) & (np.array(table["kind"]) == kind)
        return table[keep][:n]

    @property
    def verdict(self):
        """One sentence about the result, or the most affected of several."""
        target = max(self.targets, key=self._largest)
        name = target["name"]
        parts = [
            f"{row['name']} ({100 * row['correlation']:+.0f} percent of its error)"
            for row in self.ranking(MOST, target=name)
            if abs(row["correlation"]) >= SHARE
        ]
        unit = f" {target['unit']}" if target["unit"] else ""
        text = f"{name} = {target['value']:.4g} +- {target['error']:.3g}{unit}: "
        if parts:
            text += f"moved most by {', '.join(parts)}"
        else:
            text += f"no parameter moves it by {100 * SHARE:.0f} percent of its error"
        groups = self.ranking(1, target=name, kind="group")
        if len(groups) and abs(groups["correlation"][0]) >= SHARE:
            share = 100 * groups["correlation"][0] ** 2
            name = groups["name"][0]
            text += f"; the group {name} makes up {share:.0f} percent of its variance"
        n_off = int(np.sum(np.array(self._table["flag"]) == "not parabolic"))
        if n_off:
            plural = "impact differs" if n_off == 1 else "impacts differ"
            text += f"; {n_off} {plural} by refit from the covariance"
        return f"{text}."

    def _largest(self, target):
        rows = self.ranking(1, target=target["name"])
        return abs(rows["correlation"][0]) if len(rows) else -1.0

    def to_dict(self):
        """All of the result as plain data, which JSON and YAML can hold.

        Returns
        -------
        data : dict
            As of `DiagnosticResult.to_dict`, and "correlations": a dict by the name of
            the result, with "names" and "models" of the parameters and the "matrix".
        """
        data = super().to_dict()
        return data | {"correlations": json.loads(self._meta["correlations"])}

    def plot(self, **kwargs):
        """Draw pulls and impacts.

        Parameters
        ----------
        **kwargs
            Arguments of `~gammapy.visualization.diagnostics.ImpactsPlotter.plot`.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            Axes of the impacts.
        """
        return self.plotter.plot(self, **kwargs)

    def plot_correlation(self, **kwargs):
        """Draw the correlations of all free parameters.

        Parameters
        ----------
        **kwargs
            Arguments of
            `~gammapy.visualization.diagnostics.ImpactsPlotter.plot_correlation`.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            Axes.
        """
        return self.plotter.plot_correlation(self, **kwargs)

    def _shown(self):
        """Table of the text: the name of the only result is above it."""
        table = self.table
        if len(self.targets) == 1:
            table.remove_column("target")
        return table

    def _summary(self):
        """Entries of the text: without the correlations."""
        summary = {
            name: value
            for name, value in self._meta.items()
            if name not in ("correlations", "targets")
        }
        for target in self.targets:
            summary[target["name"]] = (
                f"{target['value']:.4g} +- {target['error']:.3g} (alone "
                f"{target['error_alone']:.3g}) {target['unit']}"
            )
        return summary

"""
Residuals of counts
===================

Compare counts with a model, bin by bin: four methods, and their noise.

Prerequisites
-------------

-  Poisson counts and the Cash statistic, see :doc:`/user-guide/stats/index`.

Context
-------

After a fit the residuals should be noise. To tell, one needs a unit in which noise is
known. For many counts this is the standard deviation, :math:`\\sqrt{m}` with the
predicted counts :math:`m`. Most bins of a gamma-ray dataset hold few counts, however,
and there the Poisson distribution is skewed: an excess of three standard deviations is
then much more likely than one in a thousand.

We simulate counts of a power law, once as the model predicts them and once with a line
added, and look at the residuals of both with `gammapy.stats.residuals`.
"""

import numpy as np
from scipy.stats import norm
import matplotlib.pyplot as plt
from gammapy.stats.residuals import compute_residual_errors, compute_residuals

######################################################################
# Counts of a spectrum
# --------------------
#
# The predicted counts fall from 200 to 0.4. The line adds 12 counts in one bin.

rng = np.random.default_rng(42)
energy = np.geomspace(1, 30, 28)
npred = 200 * energy**-1.8

counts = rng.poisson(npred)
counts[16] += 12

######################################################################
# The methods
# -----------
#
# All methods show the line. Only those in sigma say that it is not noise, and that the
# last bins are.

methods = ["diff", "diff/model", "diff/sqrt(model)", "significance"]
fig, axes = plt.subplots(len(methods), sharex=True, figsize=(7, 9))
for ax, method in zip(axes, methods, strict=True):
    residuals = compute_residuals(counts, npred, method)
    errors = compute_residual_errors(counts, npred, method)
    ax.errorbar(energy, residuals, errors, fmt="o", ms=3, color="k", lw=1)
    ax.axhline(0, color="0.5", lw=1)
    ax.set_ylabel(method)
axes[-1].set_xscale("log")
axes[-1].set_xlabel("Energy [TeV]")
plt.tight_layout()
plt.show()

######################################################################
# Noise of few counts
# -------------------
#
# How often is noise above a level? We simulate a million bins with three counts
# expected in each, and compare with the normal distribution.

noise = rng.poisson(3.0, size=1_000_000)
for level in (2, 3, 4):
    expected = norm.sf(level)
    line = f"above {level} sigma:"
    for method in ("diff/sqrt(model)", "significance"):
        rate = np.mean(compute_residuals(noise, 3.0, method) > level)
        line += f"  {method} {rate / expected:6.1f} times"
    print(line)

######################################################################
# The difference in standard deviations is above four of them thirty times as often as a
# normal variable, while the significance is so half as often. Which one is used matters
# for the question whether a spot on a map is real.
#
# Weighted sums
# -------------
#
# Sums of counts that have weights are no Poisson counts. With their variance, the sum
# of the squared weights times the predicted counts, the width of noise is right again.

weights = np.exp(-0.5 * np.linspace(-2, 2, 21) ** 2)
sums = rng.poisson(5.0, size=(100_000, 21)) @ weights
mean, variance = 5 * np.sum(weights), 5 * np.sum(weights**2)

plain = compute_residuals(sums, mean, "significance")
scaled = compute_residuals(sums, mean, "significance", variance=variance)
print(f"width without variance: {plain.std():.2f}, with it: {scaled.std():.2f}")

fig, ax = plt.subplots(figsize=(6, 4))
bins = np.linspace(-5, 5, 51)
ax.hist(plain, bins, density=True, histtype="step", label="without variance")
ax.hist(scaled, bins, density=True, histtype="step", label="with variance")
ax.plot(bins, norm.pdf(bins), color="k", label="normal distribution")
ax.set_xlabel("significance")
ax.legend()
plt.show()

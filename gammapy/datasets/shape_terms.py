# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Joint statistic of datasets with free shapes, spectra and backgrounds."""

from collections import Counter
import numpy as np
from gammapy.modeling.linearity import parameter_name
from gammapy.modeling.models import SkyModel, TemplateNPredModel
from gammapy.modeling.smooth.statistic import Derivatives
from gammapy.modeling.utils import set_values
from .shape_bins import CountedBins, background_terms, template_terms
from .shape_evaluators import is_outgrown, own_evaluators
from .shape_images import period
from .shape_limits import needles, shape_reach, smallest_sizes, start_values
from .shape_on_off import OnOffBins
from .shape_sources import SourceTerms

__all__ = []


#: Names of the parameters in which spectra are linear.
NORMS = ("amplitude", "norm", "const")


class SmoothStatistic:
    r"""Cash and W statistic with their derivatives.

    With the weights w, the counts n and the model m of each bin it is
    :math:`2 \sum w (m - n \ln m)` (Cash 1979, ApJ 228, 939) plus the priors. Its second
    derivatives are :math:`2 \sum w n m_i m_j / m^2 + 2 \sum w (1 - n / m) m_{ij}`; the
    first sum alone is what is called the Fisher matrix here. The bins without counts
    enter as sums that are linear in the flux and in the image of each source. On-off
    datasets have the W statistic (`gammapy.stats.wstat_profile`), of which n / m and
    n / m^2 are other functions of the signal.

    It keeps the responses that the evaluators have when it is made. Where a component
    is negative the model of bins without counts may be, which `Datasets.stat_sum` takes
    as 0 and this does not: ``is_positive`` says whether none was at the last values.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets for which there is no reason in `why_not_shapes`.
    parameters : list of `~gammapy.modeling.Parameter`
        Free parameters. The methods set their values.

    Raises
    ------
    ValueError
        If counts, background or the model are not finite inside the masks.
    """

    def __init__(self, datasets, parameters):
        self.datasets = datasets
        self.parameters = list(parameters)
        self.is_positive = True
        self.models = datasets.unique_models
        self.names = [parameter_name(self.models, par) for par in self.parameters]
        indices = {id(par): idx for idx, par in enumerate(self.parameters)}
        sources = [
            model
            for model in self.models
            if isinstance(model, (SkyModel, TemplateNPredModel))
            and any(id(par) in indices for par in model.parameters)
        ]
        self.bins, self.backgrounds, members = [], [], {}
        for number, dataset in enumerate(datasets):
            bins = make_bins(number, dataset)
            bins.add_fixed(dataset, [model.name for model in sources])
            self._add_background(bins, dataset, indices)
            for name, evaluator in own_evaluators(dataset, sources):
                if isinstance(evaluator.model, TemplateNPredModel):
                    self._add_template(bins, evaluator.model, indices)
                else:
                    members.setdefault(name, []).append((bins, evaluator))
            self.bins.append(bins)
        self.sources = [
            SourceTerms(model, indices, members[model.name])
            for model in sources
            if model.name in members
        ]
        for bins in self.bins:
            bins.finish()
        self.touching = self._touching()
        self._set_priors(indices)

    def _touching(self):
        """Indices of the parameters that change the model of each dataset."""
        touching = [set() for _bins in self.bins]
        for term in self.backgrounds:
            touching[term.number].update(term.idx.tolist())
        for source in self.sources:
            own = {*source.idx_spectrum.tolist(), *source.idx_shape.tolist()}
            for part in source.parts:
                touching[part.number] |= own
        return [np.array(sorted(own), dtype=int) for own in touching]

    def _add_background(self, bins, dataset, indices):
        if dataset.background is None or dataset.stat_type == "wstat":
            return
        if dataset.background_model is not None:
            self.backgrounds.append(background_terms(bins, dataset, indices))
            return
        everything = (slice(None), slice(None))
        data = dataset.background.quantity.to_value("")
        bins.add(f"background of {dataset.name}", data, everything, everything)

    def _add_template(self, bins, model, indices):
        self.backgrounds.append(template_terms(bins, model, bins.geom, indices))

    def _set_priors(self, indices):
        """Priors count once for each model to which a parameter is linked."""
        stacked = [par for model in self.models for par in model.parameters]
        self.precision, self.mean = np.zeros((2, len(self.parameters)))
        self._constant = 0.0
        for key, number in Counter(id(par) for par in stacked).items():
            par = next(par for par in stacked if id(par) == key)
            if par.prior is None:
                continue
            if key not in indices:
                self._constant += number * par.prior_stat_sum()
                continue
            sigma, weight = par.prior.sigma.value, number * par.prior.weight
            idx = indices[key]
            self.precision[idx] = weight / sigma**2
            self.mean[idx] = par.prior.mu.value
            self._constant += weight * np.log(2 * np.pi * sigma**2)

    def leave_out_priors(self):
        """Leave out priors, which somebody else counts."""
        self.precision, self.mean = np.zeros((2, len(self.parameters)))
        self._constant = 0.0

    # --- what the minimiser asks -------------------------------------------

    @property
    def is_shape(self):
        """Which parameters change an image, shape (n,)."""
        known = np.zeros(len(self.parameters), dtype=bool)
        for source in self.sources:
            known[source.idx_shape] = True
        return known

    @property
    def is_hard(self):
        """Which belong to an image that jumps where edges pass pixels, shape (n,)."""
        return self._belongs_to(lambda image: image.is_hard)

    @property
    def has_kinks(self):
        """Which belong to an image whose slopes jump at pixels, shape (n,)."""
        return self._belongs_to(lambda image: image.has_kinks)

    def _belongs_to(self, is_wanted):
        known = np.zeros(len(self.parameters), dtype=bool)
        for source in self.sources:
            if source.shape and any(
                is_wanted(image) for image, _grids in source.drawings
            ):
                known[source.idx_shape] = True
        return known

    @property
    def shape_numbers(self):
        """Number of the source whose image a parameter changes, -1 for others, (n,)."""
        numbers = np.full(len(self.parameters), -1)
        for number, source in enumerate(self.sources):
            numbers[source.idx_shape] = number
        return numbers

    @property
    def periods(self):
        """Period of each parameter, NaN for most, shape (n,)."""
        return np.array([period(par) for par in self.parameters])

    @property
    def values(self):
        """Values, shape (n,)."""
        return np.array([par.value for par in self.parameters], dtype=float)

    @property
    def bounds(self):
        """Lower and upper bounds, infinite where there are none, shapes (n,)."""
        low, high = self._own_bounds()
        for source in self.sources:
            for idx, smallest in smallest_sizes(source):
                low[idx] = min(max(low[idx], smallest), high[idx])
            for idx, largest in needles(source):
                high[idx] = max(min(high[idx], largest), low[idx])
        return low, high

    def is_unresolved(self, values):
        """Which values are at a limit of what a map resolves, shape (n,)."""
        (low, high), (own_low, own_high) = self.bounds, self._own_bounds()
        is_small = (low > own_low) & (values <= low)
        return is_small | (high < own_high) & (values >= high)

    def _own_bounds(self):
        low = np.nan_to_num([par.min for par in self.parameters], nan=-np.inf)
        high = np.nan_to_num([par.max for par in self.parameters], nan=np.inf)
        return low, high

    def reach(self, values):
        """How far one step may go, shape (n,): a shape not farther than its size."""
        self._set(values)
        # An index that is not known yet must not run away; a norm is free to.
        is_norm = [par.name in NORMS for par in self.parameters]
        reach = np.where(is_norm, np.inf, np.maximum(1, abs(values)))
        # An energy of a spectrum stays above 0: a break, a cutoff, a width.
        is_energy = [par.unit.is_equivalent("TeV") for par in self.parameters]
        reach = np.where(is_energy & (values != 0), 0.7 * abs(values), reach)
        for source in self.sources:
            for idx, longest in shape_reach(source):
                reach[idx] = longest
        return reach

    def start(self):
        """Values to start from, away from those where a shape has no slope."""
        return start_values(
            self.sources, self.parameters, self.values, self.bounds, self.stat
        )

    def unseen(self):
        """Which parameters act on components that no used bin sees, shape (n,).

        Of a source off the map, or inside a mask, nothing is known, whatever its
        parameters are.
        """
        seen = {id(par) for term in self.backgrounds for par in term.seen()}
        seen |= {id(par) for source in self.sources for par in source.seen()}
        return np.array([id(par) not in seen for par in self.parameters])

    def is_outgrown(self):
        """Whether a source reaches out of its cutout, which must be created again."""
        names = {source.model.name for source in self.sources}
        evaluators = [
            item for dataset in self.datasets for item in dataset.evaluators.items()
        ]
        return any(
            name in names and is_outgrown(evaluator) for name, evaluator in evaluators
        )

    # --- values ------------------------------------------------------------

    def _set(self, values):
        set_values(self.parameters, values)

    def stat(self, values=None):
        """Statistic at some values, or at those of the parameters.

        Parameters
        ----------
        values : `~numpy.ndarray`, optional
            Values. Default is None.

        Returns
        -------
        stat : float
            Statistic, to compare with `Datasets.stat_sum`.
        """
        if values is not None:
            self._set(values)
        npred, totals = self._npred()
        if any(
            total < 0 and not bins.has_all_bins
            for bins, total in zip(self.bins, totals, strict=True)
        ):
            # The statistic of bins without counts takes a model below 0 as 0; for a
            # minimiser it would have no end.
            return np.inf
        return 2 * self._half(npred, totals) + self._prior()

    def _half(self, npred, totals):
        """Half the statistic without priors."""
        parts = zip(self.bins, npred, strict=True)
        return np.sum(totals) + sum(bins.stat(model) for bins, model in parts)

    def _prior(self):
        return self.precision @ (self.values - self.mean) ** 2 + self._constant

    def n_truncated(self, values):
        """Number of bins with counts and no model."""
        self._set(values)
        parts = zip(self.bins, self._npred()[0], strict=True)
        return sum(bins.n_truncated(model) for bins, model in parts)

    def _npred(self):
        """Model at the bins with counts, and its weighted sums over all bins."""
        npred = [bins.fixed.copy() for bins in self.bins]
        totals = np.array([bins.sum_fixed for bins in self.bins])
        self.is_positive = True
        for term in self.backgrounds:
            norms = term.norms()
            self._look_for_negative(term.number, norms)
            npred[term.number][term.inside] += term.values * norms[term.energy]
            totals[term.number] += term.sums @ norms
        for source in self.sources:
            flux = source.flux()
            source.set_shape()
            for part in source.parts:
                self._look_for_negative(part.number, flux[part.energies])
                npred[part.number][part.inside] += part.npred(flux)
                totals[part.number] += part.sums @ flux[part.energies]
        return npred, totals

    def _look_for_negative(self, number, factors):
        if not self.bins[number].has_all_bins and np.any(factors < 0):
            self.is_positive = False

    def broken(self):
        """Name of a component that is not a number, "" when there is none."""
        for source in self.sources:
            flux = source.flux()
            source.set_shape()
            for part in source.parts:
                parts = (flux, part.npred(flux), part.sums)
                if not all(np.isfinite(values).all() for values in parts):
                    return source.model.name
        for term in self.backgrounds:
            if not np.isfinite(term.norms()).all():
                return term.model.name
        return ""

    # --- derivatives -------------------------------------------------------

    def derivatives(self, values, *, second=False, shapes=True):
        """Statistic, gradient and matrices of second derivatives.

        Parameters
        ----------
        values : `~numpy.ndarray`
            Values.
        second : bool, optional
            Whether to give the full Hessian. Default is False.
        shapes : bool or `~numpy.ndarray` of bool, optional
            Whether to take derivatives with respect to shapes, which cost nearly all of
            the time; else they are 0. An array says of which parameters, shape (n,);
            others may be 0. Default is True.

        Returns
        -------
        derivatives : `~gammapy.modeling.smooth.statistic.Derivatives`
            The result.
        """
        self._set(values)
        npred, totals = self._npred()
        parts = zip(self.bins, npred, strict=True)
        slopes = [bins.slopes(model) for bins, model in parts]
        table = _Table(self, slopes)
        for term in self.backgrounds:
            if term.parameters:
                table.add_background(term, second)
        for source in self.sources:
            table.add_source(source, second, shapes)
        fisher = table.fisher()
        hessian = fisher + table.rest if second else None
        diagonal = np.diag(self.precision)
        gradient = table.gradient + self.precision * (values - self.mean)
        return Derivatives(
            stat=2 * self._half(npred, totals) + self._prior(),
            gradient=2 * gradient,
            fisher=2 * (fisher + diagonal),
            hessian=2 * (hessian + diagonal) if second else None,
        )


class _Table:
    """Derivatives of half the statistic, component by component.

    Parameters
    ----------
    statistic : `SmoothStatistic`
        Statistic.
    slopes : list of tuple
        Weighted counts over model, and over its square, at the bins that are kept; see
        `gammapy.datasets.shape_bins.CountedBins.slopes`.
    """

    def __init__(self, statistic, slopes):
        self.bins = statistic.bins
        self.ratios = [ratios for ratios, _curvatures in slopes]
        self.curvatures = [curvatures for _ratios, curvatures in slopes]
        number = len(statistic.parameters)
        self.gradient = np.zeros(number)
        self.rest = np.zeros((number, number))
        self.touching = statistic.touching
        # Most parameters of many datasets do not change a given one.
        self.jacobian = [
            np.zeros((len(own), len(part)))
            for own, part in zip(self.touching, self.ratios, strict=True)
        ]

    def slope(self, number, idx):
        """Derivative of the model of a dataset, an array to write to."""
        return self.jacobian[number][np.searchsorted(self.touching[number], idx)]

    def fisher(self):
        """Part of the Hessian that has no second derivatives of the model."""
        total = np.zeros(self.rest.shape)
        parts = zip(self.curvatures, self.jacobian, self.touching, strict=True)
        for curvatures, jacobian, own in parts:
            total[np.ix_(own, own)] += (jacobian * curvatures) @ jacobian.T
        return total

    def _add_rest(self, i, j, value):
        """Add to an element and, where there are two, to its mirror image."""
        self.rest[i, j] += value
        if i != j:
            self.rest[j, i] += value

    def _add_pairs(self, idx, pairs, pull):
        """Second derivatives of one factor, whose derivative is a pull."""
        for (first, other), change in pairs.items():
            self._add_rest(idx[first], idx[other], np.vdot(pull, change))

    def add_background(self, term, second):
        """Background of a dataset."""
        first, pairs = term.derivatives(second=second)
        ratios = self.ratios[term.number][term.inside]
        for idx, change in zip(term.idx, first, strict=True):
            change_npred = term.values * change[term.energy]
            self.slope(term.number, idx)[term.inside] += change_npred
            self.gradient[idx] += term.sums @ change - ratios @ change_npred
        if second:
            seen = np.bincount(
                term.energy, ratios * term.values, minlength=len(term.sums)
            )
            self._add_pairs(term.idx, pairs, term.sums - seen)

    def add_source(self, source, second, shapes):
        """Source: its spectrum and, where it is asked for, its shape."""
        shapes = np.any(np.broadcast_to(shapes, self.gradient.shape)[source.idx_shape])
        if not source.spectrum and not (shapes and source.shape):
            return
        flux = source.flux()
        changes, pairs = source.flux_derivatives(second=second)
        pull = np.zeros(len(flux))
        source.set_shape()
        for image, grids in source.drawings:
            if shapes and source.shape:
                self._add_drawing(source, image, grids, flux, changes, pull, second)
                continue
            for grid in grids:
                self._add_spectrum(source, grid, changes, pull)
        for grid in source.fixed:
            self._add_spectrum(source, grid, changes, pull)
        for idx, change in zip(source.idx_spectrum, changes, strict=True):
            self.gradient[idx] += pull @ change
        self._add_pairs(source.idx_spectrum, pairs, pull)

    def _add_spectrum(self, source, grid, changes, pull):
        """Spectrum in the datasets of a grid; what `SourceGrid.pull` needs."""
        seen = [part.seen(self.ratios[part.number]) for part in grid.parts]
        for part, slopes in zip(grid.parts, seen, strict=True):
            np.add.at(pull, part.energies, part.pulls(slopes))
            for idx, change in zip(source.idx_spectrum, changes, strict=True):
                self.slope(part.number, idx)[part.inside] += part.npred(change)
        return seen

    def _add_drawing(self, source, image, grids, flux, changes, pull, second):
        """Spectrum and shape in the datasets that show parts of an image."""
        slopes, pairs = image.derivatives(second=second)
        fluxes = [flux, *changes] if second else [flux]
        pulls = np.zeros((len(fluxes), *image.geom.data_shape))
        for grid in grids:
            seen = self._add_spectrum(source, grid, changes, pull)
            for number, own in enumerate(fluxes):
                part = grid.pull(own, seen, coarse=number > 0)
                pulls[number][grid.window] += part
            for part, number, change in grid.changes(slopes, flux):
                self.slope(part.number, source.idx_shape[number])[part.inside] += change
        for idx, slope in zip(source.idx_shape, slopes, strict=True):
            self.gradient[idx] += np.vdot(pulls[0], slope)
        if not second:
            return
        self._add_pairs(source.idx_shape, pairs, pulls[0])
        for idx, both in zip(source.idx_spectrum, pulls[1:], strict=True):
            for other, slope in zip(source.idx_shape, slopes, strict=True):
                self._add_rest(idx, other, np.vdot(both, slope))


def make_bins(number, dataset):
    """Bins of a dataset, see `CountedBins`."""
    kind = OnOffBins if dataset.stat_type == "wstat" else CountedBins
    return kind(number, dataset)

# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.utils.one_converter import one_converter

#: Residuals that flux points have, for they have no counts.
METHODS = ("diff", "diff/model")


class FluxPointsDataset:
    def residuals(self, method="diff"):
        """Raises
        ------
        ValueError
            If the method is not known. Flux points have no counts, so there is no
            significance.

        Examples
        --------
        >>> from gammapy.datasets import FluxPointsDataset
        >>> from gammapy.estimators import FluxPoints
        >>> from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
        >>> path = "$GAMMAPY_DATA/estimators/crab_hess_fp/crab_hess_fp.fits"
        >>> dataset = FluxPointsDataset(data=FluxPoints.read(path))
        >>> spectral_model = PowerLawSpectralModel(amplitude="4e-11 cm-2 s-1 TeV-1")
        >>> dataset.models = SkyModel(spectral_model, name="Crab")
        >>> dataset.residuals("diff/model").unit
        Unit(dimensionless)
        """
        # This one is undocumented.
        if method != "diff/sqrt(model)":
            _check_method(method)
        return self._upstream_FluxPointsDataset_residuals(method)

    def plot_fit(
        self,
        ax_spectrum=None,
        ax_residuals=None,
        # arguments of one panel
        kwargs_spectrum=None,
        kwargs_residuals=None,
    ):
        """Notes
        -----
        `~gammapy.visualization.plot_flux_points` draws the residuals in units of the
        errors, too.
        """
        with one_converter():
            return self._upstream_FluxPointsDataset_plot_fit(
                ax_spectrum, ax_residuals, kwargs_spectrum, kwargs_residuals
            )

    def plot_spectrum(
        self,
        ax=None,
        # arguments of points and of the model
        kwargs_fp=None,
        kwargs_model=None,
        axis_name="energy",
    ):
        with one_converter():
            return self._upstream_FluxPointsDataset_plot_spectrum(
                ax, kwargs_fp, kwargs_model, axis_name
            )

    def plot_residuals(self, ax=None, method="diff", **kwargs):
        """Raises
        ------
        ValueError
            If the method is not known. Nothing is drawn in this case.

        Examples
        --------
        >>> from gammapy.datasets import FluxPointsDataset
        >>> from gammapy.estimators import FluxPoints
        >>> from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
        >>> path = "$GAMMAPY_DATA/estimators/crab_hess_fp/crab_hess_fp.fits"
        >>> dataset = FluxPointsDataset(data=FluxPoints.read(path))
        >>> dataset.models = SkyModel(PowerLawSpectralModel(), name="Crab")
        >>> ax = dataset.plot_residuals(method="diff/model")
        """
        _check_method(method)
        return self._upstream_FluxPointsDataset_plot_residuals(ax, method, **kwargs)


def _check_method(method):
    if method not in METHODS:
        raise ValueError(
            f"Invalid residual method of flux points: {method!r}. They have no counts, "
            f"so choose from {', '.join(map(repr, METHODS))}."
        )

# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.utils.plotter import LazyPlotter
from gammapy.utils.scripts import from_yaml, make_path
from .misspelt import check_parameters, checked_models


def _build_parameters_from_dict(data, default_parameters):
    data = check_parameters(data, default_parameters.names, where="")
    return _upstream__build_parameters_from_dict(data, default_parameters)


class ModelBase:
    @property
    def covariance(self):
        """Covariance of the parameters, with their errors as they are now.

        It is a `~gammapy.modeling.Covariance`. If an error was changed afterwards, its
        correlations are 0. NaN errors count as 1.
        """
        self._check_covariance()
        parameters = self.parameters
        # All at once: there are many models and each is asked several times per fit.
        idx = [parameters.index(par) for par in parameters]
        variances = np.nan_to_num([par.error**2 for par in parameters], nan=1)
        data = self._covariance.data.copy()
        is_new = ~np.isclose(data[idx, idx], variances)
        if is_new.any():
            changed = np.array(idx)[is_new]
            data[changed], data[:, changed] = 0, 0
        data[idx, idx] = variances
        self._covariance.data = data
        return self._covariance


class DatasetModels:
    plotter = LazyPlotter("ModelsPlotter")

    @classmethod
    def read(cls, filename, checksum=False):
        """Notes
        -----
        Unknown parameters are ignored, with a warning, unless they are similar to a
        missing one.

        Raises
        ------
        ValueError
            If a parameter or key is misspelt: it is not known, and similar to one that
            is missing.

        Examples
        --------
        >>> from gammapy.modeling.models import Models
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL_models.yaml"
        >>> Models.read(path).names[0]
        'Crab Nebula'
        """
        path = make_path(filename)
        data = from_yaml(path.read_text(), checksum=checksum)
        data = checked_models(data, source=f"File {str(path)!r}: ")
        data.pop("metadata", None)
        return cls._upstream_DatasetModels_from_dict(data, path=path.parent)

    @classmethod
    def from_dict(cls, data, path=""):
        """Raises
        ------
        ValueError
            If a parameter or key is misspelt, see `DatasetModels.read`.

        Examples
        --------
        >>> from gammapy.modeling.models import Models, SkyModel
        >>> models = Models([SkyModel.create("pl", "point", name="source")])
        >>> Models.from_dict(models.to_dict()).names
        ['source']
        """
        return cls._upstream_DatasetModels_from_dict(checked_models(data), path=path)

    @property
    def positions(self):
        """Notes
        -----
        Models without a position are left out. If no model has a position, the length
        is 0.
        """
        if self._have_positions:
            return self._upstream_DatasetModels_positions
        return SkyCoord([], [], unit="deg", frame="icrs")

    @property
    def _have_positions(self):
        return any(model.position is not None for model in self.select(tag="sky-model"))

    def plot_positions(self, ax=None, **kwargs):
        """Notes
        -----
        Models without a position are left out.

        Examples
        --------
        >>> from gammapy.maps import Map
        >>> from gammapy.modeling.models import Models, SkyModel
        >>> model = SkyModel.create("pl", "gauss", name="source")
        >>> ax = Map.create(width=2, binsz=0.1).plot()
        >>> ax = Models([model]).plot_positions(ax=ax, color="red", marker="+")
        """
        if not self._have_positions:
            return self.plotter.sky_axes(ax)
        return self._upstream_DatasetModels_plot_positions(ax, **kwargs)

    def plot_regions(
        self, ax=None, kwargs_point=None, path_effect=None, size_factor=None, **kwargs
    ):
        """Notes
        -----
        Templates, constant models and models without a spatial model are left out.

        Examples
        --------
        >>> from gammapy.maps import Map
        >>> from gammapy.modeling.models import Models, SkyModel
        >>> model = SkyModel.create("pl", "gauss", name="source")
        >>> ax = Map.create(width=2, binsz=0.1).plot()
        >>> ax = Models([model]).plot_regions(ax=ax, edgecolor="red")
        """
        models = self.__class__([model for model in self if not _covers_its_map(model)])
        drawn_on = models._upstream_DatasetModels_plot_regions(
            ax=ax,
            kwargs_point=kwargs_point,
            path_effect=path_effect,
            size_factor=size_factor,
            **kwargs,
        )
        # None is returned when there is nothing to draw.
        return self.plotter.sky_axes(ax) if drawn_on is None else drawn_on


def _covers_its_map(model):
    """Whether a model has a region that only says where it is defined."""
    from .spatial import (
        ConstantFluxSpatialModel,
        ConstantSpatialModel,
        TemplateNDSpatialModel,
        TemplateSpatialModel,
    )

    return isinstance(
        getattr(model, "spatial_model", None),
        (
            ConstantFluxSpatialModel,
            ConstantSpatialModel,
            TemplateNDSpatialModel,
            TemplateSpatialModel,
        ),
    )

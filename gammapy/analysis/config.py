# Licensed under a 3-clause BSD style license - see LICENSE.rst
from pydantic import model_serializer, model_validator
from gammapy.estimators import (
    ExcessMapEstimator,
    FluxPointsEstimator,
    LightCurveEstimator,
)
from gammapy.utils.types import PathType
from .report import ReportConfig
from .sections import (
    ExclusionMakerConfig,
    ModelsType,
    RegionType,
    ResidualsConfig,
    StackType,
)
from .template import add_option_docs
from .validation import (
    added,
    estimator_parameters,
    explain_errors,
    settings_of,
    update_sections,
    without_defaults,
)


def deep_update(d, u):
    """Notes
    -----
    The dictionary is changed. A section replaces a value that is not a section.
    """
    return update_sections(d, u)


class GammapyBaseConfig:
    @model_validator(mode="wrap")
    @classmethod
    def _explain_errors(cls, value, handler):
        return explain_errors(cls, value, handler)

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler):
        return without_defaults(self, handler)


class FluxPointsConfig:
    """Attributes
    ----------
    debug : bool
        Whether to keep and log the values of the other parameters in each bin.
    """

    debug: bool = added(False)

    _parameters_are_valid = estimator_parameters(
        FluxPointsEstimator, "energy_edges", "source", "fit", "n_jobs"
    )


class LightCurveConfig:
    _parameters_are_valid = estimator_parameters(
        LightCurveEstimator, "time_intervals", "energy_edges", "source", "fit", "n_jobs"
    )


class ExcessMapConfig:
    _parameters_are_valid = estimator_parameters(
        ExcessMapEstimator, "correlation_radius", "energy_edges"
    )


class FitConfig:
    """Attributes
    ----------
    models : `~pathlib.Path` or dict
        Starting models, used if the datasets have only background models: a file, which
        is never written, or its contents.
    debug : bool
        Whether the fit logs each step and its profiles keep the nuisance parameters,
        see `~gammapy.modeling.Fit`.
    history : `~pathlib.Path`
        Folder of a `~gammapy.diagnostics.FitHistory`, to which the fit is added.
    step : str
        Name of the fit in the history. An existing step of this name is replaced.
        Default is None: "fit-1", "fit-2" and so on.
    """

    models: Optional[ModelsType] = added()
    debug: bool = added(False)
    history: Optional[PathType] = added()
    step: Optional[str] = added()


class BackgroundConfig:
    """Attributes
    ----------
    exclusion_regions : list of str
        Regions with sources, such as "icrs;circle(83.63, 22.01, 0.3)", instead of a
        file.
    exclusion_maker : `ExclusionMakerConfig`
        Options to find the exclusion mask in the data. It starts with the file or the
        regions.
    energy_min, energy_max : `~astropy.units.Quantity`
        Energy range of the normalisation, see `~gammapy.makers.FoVBackgroundMaker`.
    debug : bool
        Whether to keep and log the fitted background of each observation. It is written
        as a table beside the datasets.
    """

    exclusion_regions: Optional[List[RegionType]] = added()
    exclusion_maker: Optional[ExclusionMakerConfig] = added()
    energy_min: Optional[EnergyType] = added()
    energy_max: Optional[EnergyType] = added()
    debug: bool = added(False)


class DatasetsConfig:
    """Attributes
    ----------
    stack : bool or `StackConfig`
        Whether to stack all observations, or the bins in which they are stacked:
        ``by``, with edges or a number of bins of ``zenith`` and ``offset``.
    """

    stack: StackType = True


class AnalysisConfig:
    """Attributes
    ----------
    residuals : `ResidualsConfig`
        Residuals of the fit: maps and spectrum.
    report : `~gammapy.analysis.report.ReportConfig`
        Report of the fit: one page with a verdict.

    Examples
    --------
    Observations are stacked in bins of zenith angle:

    >>> from gammapy.analysis import AnalysisConfig
    >>> config = AnalysisConfig()
    >>> config.datasets.stack = {"by": {"zenith": ["20 deg", "40 deg", "60 deg"]}}
    >>> config.datasets.background.energy_min = "1 TeV"
    >>> print(config.datasets.background.energy_min)
    1.0 TeV
    """

    residuals: ResidualsConfig = added(ResidualsConfig())
    report: ReportConfig = added(ReportConfig())

    @classmethod
    def from_yaml(cls, config_str):
        # Its errors are one line.
        settings_of(config_str)
        return cls._upstream_AnalysisConfig_from_yaml(config_str)

    @staticmethod
    def _get_doc_sections():
        return add_option_docs(
            AnalysisConfig._upstream_AnalysisConfig__get_doc_sections()
        )

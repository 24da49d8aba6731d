# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
from numpy.testing import assert_allclose
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    Model,
    Models,
    SkyModel,
)

PLACE = "models.yaml': Model 'crab': "


@pytest.fixture()
def path(tmp_path):
    """File of a source whose amplitude is not the default, with a prior and a link."""
    model = SkyModel.create("pl", "gauss", name="crab")
    model.spectral_model.amplitude.value = 5e-12
    model.spectral_model.index.prior = GaussianPrior(mu=2.3, sigma=0.1)
    other = SkyModel.create("pl", "gauss", name="other")
    other.spectral_model.index = model.spectral_model.index
    background = FoVBackgroundModel(dataset_name="run")
    path = tmp_path / "models.yaml"
    Models([model, other, background]).write(path, write_covariance=False)
    return path


def misspell(path, old, new, count=1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # The default 1e-12 would be taken for the 5e-12 of the file.
        (
            "name: amplitude",
            "name: amplitudee",
            "spectral parameter 'amplitudee' .* 'ampl",
        ),
        ("name: amplitude", "name: Amplitude", "parameter 'Amplitude' .* 'amplitude'"),
        ("name: lon_0", "name: lon0", "spatial parameter 'lon0' .* mean 'lon_0'"),
        (
            "value: 5.0e-12",
            "valuee: 5.0e-12",
            "parameter 'amplitude': key 'valuee' .*val",
        ),
        ("link:", "lnik:", "spectral parameter 'index': key 'lnik' .* 'link'"),
        ("prior:", "priors:", "spectral parameter 'index': key 'priors' .* 'prior'"),
        ("name: sigma", "name: sigam", "prior parameter 'sigam' .* mean 'sigma'"),
        ("weight:", "weightt:", "prior key 'weightt' .* mean 'weight'"),
        # It would be a source without spatial model.
        ("spatial:", "spatail:", "key 'spatail' is not known; .* mean 'spatial'"),
        ("frame:", "frmae:", "spatial key 'frmae' .* mean 'frame'"),
        ("components:", "component:", "key 'component' .* mean 'components'"),
    ],
)
def test_misspelt_names(path, old, new, message):
    misspell(path, old, new)
    place = "" if "component" in new else PLACE
    with pytest.raises(ValueError, match=f"{place}.*{message}") as error:
        Models.read(path)
    assert "models.yaml" in str(error.value) and "\n" not in str(error.value)


def test_file_is_read_as_before(path, caplog):
    models = Models.read(path)
    assert models.names == ["crab", "other", "run-bkg"]
    assert_allclose(models["crab"].spectral_model.amplitude.value, 5e-12)
    assert models["crab"].spectral_model.index is models["other"].spectral_model.index
    assert not caplog.records


def test_parameters_of_other_versions_are_named(path, caplog):
    misspell(path, "name: amplitude", "name: curvature")
    models = Models.read(path)
    assert models["crab"].spectral_model.amplitude.value == 1e-12
    message = f"{PLACE}spectral parameters are unknown and ignored: curvature."
    assert message in caplog.text
    assert "Parameter 'amplitude' not defined" in caplog.text


def test_link_of_a_single_parameter(path, caplog):
    text = path.read_text()
    label = text.split("link: ")[1].split("\n")[0]
    path.write_text(text.replace(f"link: {label}", f"link: {label}x", 1))
    Models.read(path)
    assert f"models.yaml': Only one parameter has the link '{label}x'" in caplog.text
    assert f"did you mean '{label}'?" in caplog.text


def test_dictionaries_are_checked_and_stay(path):
    models = Models.read(path)
    data = models.to_dict()
    data["components"][0]["spectral"]["parameters"][0]["name"] = "indexx"
    before = str(data)
    with pytest.raises(
        ValueError, match="'crab': spectral parameter 'indexx' .* 'index'"
    ):
        Models.from_dict(data)
    assert str(data) == before
    with pytest.raises(ValueError, match="parameter 'indexx' is not known"):
        Model.from_dict({"spectral": data["components"][0]["spectral"]})


@pytest.mark.parametrize("spectral", ["ecpl", "lp", "bpl", "sbpl", "pl-2"])
@pytest.mark.parametrize("spatial", ["point", "gauss", "disk", "shell"])
def test_all_parameters_of_a_model_are_known(spectral, spatial, caplog):
    model = SkyModel.create(spectral, spatial, name="source")
    model.spectral_model = model.spectral_model * Model.create("pl-norm", "spectral")
    Models.from_dict(Models([model]).to_dict(full_output=True))
    assert not caplog.records

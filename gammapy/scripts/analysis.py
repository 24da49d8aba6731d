# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.analysis.products import (
    MODELS_FILE,
    RESULT_FILES,
    datasets_writers,
    result_writers,
    table_writers,
    write,
)
from gammapy.analysis.session import fit_history
from gammapy.analysis.template import write_template
from gammapy.utils.scripts import make_path
from .common import check_absent, input_errors

TEMPLATE_HELP = "File to write."
CONFIG_HELP = "Configuration file."
OUT_HELP = "File of the reduced datasets; their maps and tables are beside it."
STEPS = {
    "fit": "run_fit",
    "residuals": "get_residuals",
    "flux-points": "get_flux_points",
    "excess-map": "get_excess_map",
    "light-curve": "get_light_curve",
}


@click.command("config")
@click.option(
    "--filename", show_default=True, default="config.yaml", help=TEMPLATE_HELP
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def cli_make_config(filename, overwrite):
    write_template(AnalysisConfig(), filename, overwrite=overwrite)
    log.info(f"Configuration written to {filename}.")


@click.command("run")
@click.option("--filename", show_default=True, default="config.yaml", help=CONFIG_HELP)
@click.option("--out", show_default=True, default="datasets", help=OUT_HELP)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option(
    "--step",
    "steps",
    multiple=True,
    type=click.Choice([*STEPS, "all"]),
    help="What to do after the reduction, may be repeated; 'all' is fit, residuals"
    " and flux-points. Results go to general.outdir of the configuration.",
)
def cli_run_analysis(filename, out, overwrite, steps):
    """Reduce data as a configuration file says, and go on to the results."""
    with input_errors(f"Cannot read {filename}", (OSError, TypeError, ValueError)):
        config = AnalysisConfig.read(filename)
    out, outdir = make_path(out), make_path(config.general.outdir)
    models_file = make_path(config.general.models_file or outdir / MODELS_FILE)
    if "all" in steps:
        steps = ("fit", "residuals", "flux-points")
    results = [models_file, *(outdir / name for name in RESULT_FILES)] if steps else []
    # Before hours of reduction.
    check_absent([out, *results], overwrite, error=click.ClickException)
    if "fit" in steps:
        check_step(config, overwrite)
    session = Analysis(config)
    session.get_observations()
    session.get_datasets()
    writers = {out: session.datasets.write} | table_writers(session, out)
    write(writers, overwrite=overwrite)
    for step in steps:
        getattr(session, STEPS[step])()
    if steps:
        # The datasets once more, for the fit has set their models and masks.
        writers = datasets_writers(session, out, models_file)
        write(writers | result_writers(session, outdir))


def check_step(config, overwrite):
    """Raise an error when the history has the step already, and is to keep it."""
    with input_errors():
        history = fit_history(config)
    step = config.fit.step
    if history is not None and step in history and not overwrite:
        raise click.ClickException(
            f"Step {step!r} of the history {str(history.folder)!r} exists; --overwrite "
            "replaces it."
        )

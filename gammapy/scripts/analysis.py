# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.analysis.products import (
    MODELS_FILE,
    RESULT_FILES,
    datasets_writers,
    result_writers,
    table_writers,
)
from gammapy.analysis.session import fit_history
from gammapy.analysis.template import write_template
from gammapy.analysis.written import files_text
from gammapy.modeling.parameter_table import parameters_text
from gammapy.utils.atomic import write_files
from gammapy.utils.scripts import make_path
from .common import check_absent, input_errors, show_progress

TEMPLATE_HELP = "File to write."
CONFIG_HELP = "Configuration file."
OUT_HELP = "File of the reduced datasets. Maps and tables are written beside it."
RUN_HELP = """Run an analysis from a configuration file.

A progress bar is shown for each step. At the end, the fitted parameters and the list of
all written files are printed. The file config_used.yaml has all settings.
"""
STEPS = {
    "fit": "run_fit",
    "residuals": "get_residuals",
    "flux-points": "get_flux_points",
    "excess-map": "get_excess_map",
    "light-curve": "get_light_curve",
    "report": "get_report",
}
#: What "all" stands for.
ALL = ("fit", "residuals", "flux-points")


@click.command("config")
@click.option(
    "--filename", show_default=True, default="config.yaml", help=TEMPLATE_HELP
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def cli_make_config(filename, overwrite):
    write_template(AnalysisConfig(), filename, overwrite=overwrite)
    log.info(f"Configuration written to {filename}.")


@click.command("run", help=RUN_HELP)
@click.option("--filename", show_default=True, default="config.yaml", help=CONFIG_HELP)
@click.option("--out", show_default=True, default="datasets", help=OUT_HELP)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option(
    "--step",
    "steps",
    multiple=True,
    type=click.Choice([*STEPS, "all"]),
    help="Step after the data reduction; can be given several times. 'all' is fit,"
    " residuals and flux-points. Results are written to general.outdir.",
)
def cli_run_analysis(filename, out, overwrite, steps):
    with input_errors(f"Cannot read {filename}", (OSError, TypeError, ValueError)):
        config = AnalysisConfig.read(filename)
    out, outdir = make_path(out), make_path(config.general.outdir)
    models_file = make_path(config.general.models_file or outdir / MODELS_FILE)
    steps = chosen_steps(steps)
    results = [models_file, *(outdir / name for name in RESULT_FILES)] if steps else []
    # Before hours of reduction.
    check_absent([out, *results], overwrite, error=click.ClickException)
    if "fit" in steps:
        check_step(config, overwrite)
    session = Analysis(config)
    options = {"others": True, "desc": "Files"}
    with show_progress():
        session.get_observations()
        session.get_datasets()
        writers = {out: session.datasets.write} | table_writers(session, out)
        paths = write_files(writers, overwrite=overwrite, **options)
        for step in steps:
            getattr(session, STEPS[step])()
        if steps:
            # The datasets once more, for the fit has set their models and masks.
            writers = datasets_writers(session, out, models_file)
            paths += write_files(writers | result_writers(session, outdir), **options)
    if "fit" in steps:
        click.echo(fit_text(session.fit_result))
    history = history_folder(config) if "fit" in steps else None
    files = {"datasets_file": out, "models_file": models_file, "history": history}
    click.echo(files_text(paths, **files))


def chosen_steps(steps):
    """Steps in the order in which they run, each once; others may be beside "all"."""
    chosen = {*steps, *ALL} if "all" in steps else set(steps)
    return [step for step in STEPS if step in chosen]


def fit_text(result):
    """Whether a fit is a success, its statistic and its parameters."""
    state = "" if result.success else f"The fit failed: {result.message}\n"
    return f"{state}{parameters_text(result.models)}\nstat = {result.total_stat:.2f}"


def history_folder(config):
    """Folder of the step of the history that was made last, None without a history."""
    history = fit_history(config)
    return None if history is None else history[-1].folder


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

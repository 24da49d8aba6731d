# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.analysis.products import MODELS_FILE, write_results, write_tables
from gammapy.utils.scripts import make_path

CONFIG_HELP = "Configuration file."
OUT_HELP = "File of the reduced datasets; their maps and tables are beside it."
STEPS = {
    "fit": "run_fit",
    "residuals": "get_residuals",
    "flux-points": "get_flux_points",
    "excess-map": "get_excess_map",
    "light-curve": "get_light_curve",
}


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
    # Before hours of reduction.
    if make_path(out).exists() and not overwrite:
        raise click.ClickException(f"File {out!r} exists; --overwrite replaces it.")
    session = Analysis(AnalysisConfig.read(filename))
    session.get_observations()
    session.get_datasets()
    session.datasets.write(out, overwrite=overwrite)
    write_tables(session, out, overwrite=overwrite)
    log.info(f"Datasets written to {out}.")
    if "all" in steps:
        steps = ("fit", "residuals", "flux-points")
    for step in steps:
        getattr(session, STEPS[step])()
    if steps:
        general = session.config.general
        write_results(session, general.outdir, overwrite=overwrite)
        # Once more, for the fit has set their models and masks.
        models_file = general.models_file or make_path(general.outdir) / MODELS_FILE
        session.datasets.write(out, models_file, overwrite=True)

# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.analysis.template import write_template

TEMPLATE_HELP = "File to write."


@click.command("config")
@click.option(
    "--filename", show_default=True, default="config.yaml", help=TEMPLATE_HELP
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def cli_make_config(filename, overwrite):
    write_template(WorkflowConfig(), filename, overwrite=overwrite)
    log.info(f"Configuration written to {filename}.")

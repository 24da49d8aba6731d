# Licensed under a 3-clause BSD style license - see LICENSE.rst


def add_subcommands():
    _upstream_add_subcommands()
    from .history import cli_history
    from .nuisance import cli_nuisance
    from .report import cli_report
    from .residuals import cli_residuals

    cli.add_command(cli_history)
    cli.add_command(cli_nuisance)
    cli.add_command(cli_report)
    cli.add_command(cli_residuals)

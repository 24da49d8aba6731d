# Licensed under a 3-clause BSD style license - see LICENSE.rst
import click
import pytest
from click.testing import CliRunner
from gammapy.scripts.common import OneLineCommand
from gammapy.utils.deprecation import GammapyDeprecationWarning


def test_old_flag():
    """A made-up one."""

    @click.command(cls=OneLineCommand, old_flags={"--to": "--plot"})
    @click.option("--plot", default="none")
    def draw(plot):
        click.echo(plot)

    with pytest.warns(GammapyDeprecationWarning, match="'--to'.*use '--plot'"):
        result = CliRunner().invoke(draw, ["--to", "a.png"])
    assert result.output.strip() == "a.png"
    assert CliRunner().invoke(draw, ["--plot=b.png"]).output.strip() == "b.png"
    assert "--to" not in CliRunner().invoke(draw, ["--help"]).output

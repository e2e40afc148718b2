"""The commands that others build on: whatever changes behind them, these names stay."""

import subprocess

import pytest

from outpost.demo.processes import command

PROMISED = [
    "outpost register",
    "outpost run",
    "outpost status",
    "outpost doctor",
    "outpost audit verify",
    "outpost audit export",
    "outpost audit tail",
    "outpost demo",
    "outpost scan",
    "outpost models list",
    "outpost models verify",
    "outpost models bench",
    "outpost models import",
    "outpost policy lint",
    "outpost policy diff",
    "outpost policy simulate",
    "control-plane init",
    "control-plane serve",
    "control-plane migrate",
    "control-plane org create",
    "control-plane outpost create",
    "control-plane key create",
    "control-plane policy publish",
    "control-plane user create",
    "control-plane ca init",
    "control-plane ca rotate",
    "control-plane ca revoke",
    "control-plane ca crl",
]


@pytest.mark.parametrize("line", PROMISED)
def test_the_command_is_there_and_shows_an_example(line: str) -> None:
    program, *words = line.split()
    done = subprocess.run([command(program), *words, "--help"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "Example:" in done.stdout

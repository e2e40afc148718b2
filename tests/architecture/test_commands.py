"""Both commands explain themselves, and every command line in the documents is one that exists."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.architecture.repository import code_lines, documents, read

PROGRAMS = {"outpost": ("outpost.cli", "cli"), "control-plane": ("control_plane.cli", "app")}
_INLINE = re.compile(r"`((?:outpost|control-plane) [a-z][^`…]*)`")


def _typer(program: str) -> typer.Typer:
    module, name = PROGRAMS[program]
    return getattr(importlib.import_module(module), name)


def _leaves(command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield path
        return
    for name, subcommand in subcommands.items():
        yield from _leaves(subcommand, (*path, name))


def _all_commands() -> list[tuple[str, ...]]:
    return [path for program in PROGRAMS for path in _leaves(typer.main.get_command(_typer(program)), (program,))]


def _documented() -> list[tuple[Path, str]]:
    """Command lines of shell blocks and of running text, with where they stand."""
    found = []
    for path in documents():
        text = read(path)
        lines = [line for line in code_lines(text) if line.split()[0] in PROGRAMS]
        found += [(path, line) for line in [*lines, *_INLINE.findall(text)]]
    return found


def _examples() -> list[tuple[Path, str]]:
    """The example in each command's own help."""
    found = []
    for program, *path in _all_commands():
        command = typer.main.get_command(_typer(program))
        for name in path:
            command = command.commands[name]
        match = re.search(r"Example: .*?\b((?:outpost|control-plane) .+)", command.epilog or command.help or "")
        if match:
            found.append((Path(" ".join([program, *path])), match[1]))
    return found


@pytest.mark.parametrize("path", _all_commands(), ids=" ".join)
def test_every_command_explains_itself_with_an_example(path):
    program, *rest = path
    result = CliRunner().invoke(_typer(program), [*rest, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


@pytest.mark.parametrize(("where", "line"), [*_documented(), *_examples()], ids=str)
def test_command_lines_in_the_documents_exist(where, line):
    words = shlex.split(re.split(r" (?:\||>|&&) ", line)[0], comments=True)
    program, *words = words
    command, depth = typer.main.get_command(_typer(program)), 0
    while getattr(command, "commands", None) and depth < len(words):
        assert words[depth] in command.commands, f"{where}: {program} has no command {' '.join(words[: depth + 1])}"
        command, depth = command.commands[words[depth]], depth + 1
    options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]} | {
        "--help"
    }
    named = {word.split("=")[0] for word in words[depth:] if word.startswith("-") and word != "-"}
    assert named <= options, f"{where}: {line} has options that do not exist"

import logging

import pytest
import structlog

from outpost.console import run
from outpost.errors import ConfigError, OutpostError


@pytest.fixture(autouse=True)
def logs():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def fails(err):
    def command():
        raise err

    return command


@pytest.mark.parametrize(
    ("err", "said"),
    [
        (OutpostError("no such outpost"), "outpost: no such outpost\n"),
        (
            ConfigError(["a: missing", "b: no number"]),
            "outpost: the settings are not valid:\n  - a: missing\n  - b: no number\n",
        ),
        (FileNotFoundError(2, "No such file or directory", "x.toml"), "outpost: x.toml: No such file or directory\n"),
        (OSError("odd"), "outpost: OSError\n"),
    ],
)
def test_a_failure_is_one_message_and_code_1(capsys, err, said):
    with pytest.raises(SystemExit) as caught:
        run(fails(err))
    assert caught.value.code == 1
    assert capsys.readouterr().err == said


def test_a_command_keeps_its_own_code():
    with pytest.raises(SystemExit) as caught:
        run(fails(SystemExit(2)))
    assert caught.value.code == 2


def test_a_bug_is_shown_as_one():
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0)

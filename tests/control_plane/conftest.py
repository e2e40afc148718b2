import json
import logging
import shutil
import sys

import pytest
import structlog

from control_plane.cli import main
from control_plane.initialise import initialise
from tests.fakes.clock import FakeClock
from tests.fakes.installation import FIRST, reopened


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """An installation made once; hashing a password and making keys takes a while."""
    path = tmp_path_factory.mktemp("fresh") / "data"
    return path, initialise(path, FIRST, clock=FakeClock())


@pytest.fixture
def plane(tmp_path, clock, fresh):
    """A test's own copy of a fresh control plane, at the fake clock's time."""
    path, first = fresh
    shutil.copytree(path, tmp_path / "data")
    with reopened(tmp_path / "data", first, clock) as result:
        yield result


@pytest.fixture
def operations(plane):
    return plane.operations


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """``run("key", "list")`` -> (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["control-plane", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return caught.value.code, out, err

    handlers, level = logging.root.handlers[:], logging.root.level
    yield call
    logging.root.handlers[:] = handlers  # `serve` sends all logs to an output that ends with the test
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def ready(run):
    code, out, _ = run("init", "--org", "acme", "--json")
    assert code == 0
    return json.loads(out)

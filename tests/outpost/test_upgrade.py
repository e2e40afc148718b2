"""The rehearsal with programs that are played; real ones follow one another in tests/e2e/test_upgrade.py."""

import asyncio
import json
import socket
import sys

import pytest

from outpost.config import Config
from outpost.doors import Door, Doors
from outpost.upgrade import NotUpgraded, Running, command_line, rehearse

SAYS = {"version": "2", "proxy": ["127.0.0.1", 8300], "admin": ["127.0.0.1", 8301], "workers": 1, "policy": None}


def program(text):
    return [sys.executable, "-c", text]


def saying(**changes):
    answer = json.dumps(json.dumps(SAYS | changes))
    return program(f"import sys; assert sys.argv[1:] == ['--check', '--json']; print({answer})")


def running(*, enforces=True, given=False):
    return Running(Config(), Doors(Door([], given), Door([], given)), enforces)


async def test_a_program_that_would_start_is_known_by_its_version():
    assert await rehearse(saying(), running()) == "2"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["/nowhere/outpost"], "cannot run /nowhere/outpost"),
        (program("import nothing_of_this_name"), r"exit code 1\): ModuleNotFoundError; `outpost run --check`"),
        (program("import sys; sys.exit('outpost: the settings are not valid:\\n  - x: y')"), "not valid: - x: y"),
        (program("pass"), "does not say how"),
        (program("print([])"), "does not say how"),
        (program("print('{}')"), "does not say how"),
        (saying(proxy=["127.0.0.1"]), "does not say how"),
        (saying(policy="a signature is wrong"), "would not enforce the policy .*: a signature is wrong"),
    ],
)
async def test_one_that_would_not_is_refused_with_the_reason(command, reason):
    with pytest.raises(NotUpgraded, match=reason):
        await rehearse(command, running())


async def test_a_traceback_shows_its_kind_only():
    with pytest.raises(NotUpgraded) as caught:
        await rehearse(program("raise ValueError('sk-secret')"), running())
    assert "ValueError" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


async def test_one_that_never_ends_is_ended():
    with pytest.raises(NotUpgraded, match="within"):
        await rehearse(program("import time; time.sleep(600)"), running(), timeout_s=0.5)


async def test_whoever_stops_waiting_leaves_no_process(tmp_path):
    text = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    waiting = asyncio.ensure_future(rehearse(program(text), running()))
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait({waiting})
    with pytest.raises(FileNotFoundError):
        open(f"/proc/{(tmp_path / 'pid').read_text()}/stat").close()  # noqa: PTH123, ASYNC230 - gone


async def test_a_policy_that_is_not_in_force_now_is_no_reason():
    assert await rehearse(saying(policy="expired"), running(enforces=False)) == "2"


async def test_a_new_port_must_be_free_unless_a_supervisor_opens_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        elsewhere = saying(proxy=["127.0.0.1", taken.getsockname()[1]])
        with pytest.raises(NotUpgraded, match="Address already in use"):
            await rehearse(elsewhere, running())
        assert await rehearse(elsewhere, running(given=True)) == "2"


def test_a_script_is_run_as_a_script_and_all_else_by_this_interpreter(monkeypatch, tmp_path):
    script = tmp_path / "outpost"
    script.write_text("#!/bin/false\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script), "run", "--workers", "2"])
    assert command_line() == [str(script), "run", "--workers", "2"]
    monkeypatch.setattr(sys, "argv", ["-c", "run"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "main()", "run"])
    assert command_line() == [sys.executable, "-c", "main()", "run"]

"""``init``, ``serve`` and ``migrate`` as a person uses them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_init_shows_each_secret_once_and_only_once(run):
    code, out, err = run("init")
    assert (code, err) == (0, "")
    (key,) = re.findall(r"sk-op-live-[0-9A-Za-z]{43}", out)
    (password,) = re.findall(r"admin password\s+(\S+)", out)
    code, out, err = run("init")
    assert (code, out) == (1, "")
    assert "nothing was touched" in err
    assert err.count("\n") == 1
    for command in (("key", "list"), ("org", "list"), ("outpost", "list"), ("key", "list", "--json")):
        assert key not in run(*command)[1]
        assert password not in run(*command)[1]


@pytest.mark.parametrize("command", [("serve",), ("key", "list"), ("migrate",), ("outpost", "create", "x")])
def test_before_init_everything_says_so(run, command):
    code, _, err = run(*command)
    assert (code, "control-plane init" in err) == (1, True)


def test_serve_refuses_keys_that_others_can_read(run, ready, tmp_path):
    (tmp_path / "control-plane-data" / "keys" / "receipt.key").chmod(0o644)
    code, _, err = run("serve")
    assert (code, "chmod 600" in err) == (1, True)

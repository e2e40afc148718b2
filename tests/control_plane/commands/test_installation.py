"""``init``, ``serve`` and ``migrate`` as a person uses them."""

import re
from pathlib import Path

import pytest

from control_plane.seal import Unsealing, read_seal
from pki.files import read_private_key

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


def test_init_shows_each_share_once_and_keeps_the_passphrase_nowhere(run, tmp_path):
    code, out, err = run("init", "--shamir")
    assert (code, err) == (0, "")
    shares = re.findall(r"share \d\s+(OSHARE-\S+)", out)
    assert len(set(shares)) == 5
    kept = b"".join(path.read_bytes() for path in (tmp_path / "control-plane-data").rglob("*") if path.is_file())
    assert not [share for share in shares if share.encode() in kept]
    unsealing = Unsealing(read_seal(tmp_path / "control-plane-data" / "ca"))
    passphrase = [unsealing.give(share) for share in shares[1:4]][-1]
    assert passphrase not in kept
    assert passphrase.decode() not in out
    for name in ("root", "intermediate"):
        assert read_private_key(tmp_path / "control-plane-data" / "ca" / f"{name}.key", passphrase)


@pytest.mark.parametrize(
    "arguments",
    [("--shares", "5"), ("--threshold", "2"), ("--shamir", "--threshold", "6"), ("--shamir", "--threshold", "1")],
)
def test_shares_that_make_no_sense_are_a_usage_error(run, tmp_path, arguments):
    assert run("init", *arguments)[0] == 2
    assert not (tmp_path / "control-plane-data").exists()


def test_shares_and_a_passphrase_of_the_settings_exclude_each_other(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CONTROL_PLANE_KEY_STORE_SECRET", "correct-horse")
    code, _, err = run("init", "--shamir")
    assert (code, "leave out --shamir" in err) == (1, True)
    monkeypatch.delenv("CONTROL_PLANE_KEY_STORE_SECRET")
    assert run("init", "--shamir", "--offline-root", "root.pem")[0] == 0
    assert not (tmp_path / "control-plane-data" / "ca" / "root.key").exists()
    monkeypatch.setenv("CONTROL_PLANE_KEY_STORE_SECRET", "correct-horse")
    code, _, err = run("ca", "root", "status")
    assert (code, "in shares only" in err, "correct-horse" in err) == (1, True, False)


def test_shares_that_nobody_could_give_are_not_made(run, tmp_path):
    far = tmp_path / ("x" * 120)
    code, _, err = run("init", "--shamir", "--data-dir", far)
    assert (code, "choose another data_dir" in err, far.exists()) == (1, True, False)

"""``unseal`` and ``seal`` as a person uses them; the whole ceremony is ``tests/e2e/test_shamir.py``."""

import io
import json

import pytest


@pytest.fixture
def sealed(run):
    code, out, _ = run("init", "--shamir", "--shares", "3", "--threshold", "2", "--json")
    assert code == 0
    return json.loads(out)["shares"]


@pytest.fixture
def typed(monkeypatch):
    """What comes on stdin."""
    return lambda *lines: monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


@pytest.mark.parametrize("command", ["unseal", "seal"])
def test_without_shares_or_without_a_server_it_says_what_to_do(run, command):
    assert "control-plane init" in run(command)[2]
    run("init")
    code, _, err = run(command)
    assert (code, "init --shamir" in err, err.count("\n")) == (1, True, 1)


@pytest.mark.parametrize("command", ["unseal", "seal"])
def test_nobody_serves(run, sealed, command, typed):
    typed(sealed[0])
    code, _, err = run(command)
    assert (code, "control-plane serve" in err, err.count("\n")) == (1, True, 1)


def test_status_and_reset_exclude_each_other(run, sealed):
    assert run("unseal", "--status", "--reset")[0] == 2


def test_what_needs_no_authority_key_asks_nobody(run, sealed, typed):
    typed()
    assert run("outpost", "create", "edge")[0] == 0
    assert run("key", "list")[0] == 0
    code, out, _ = run("ca", "root", "status", "--json")
    assert (code, json.loads(out)) == (0, [{"name": "root", "state": "active", "key": "sealed"}])


def test_a_ceremony_asks_for_the_shares(run, sealed, typed):
    typed(sealed[2])
    code, _, err = run("ca", "rotate", "intermediate", "--prepare")
    assert (code, "2 of 3 shares open it" in err, "stdin has no more shares" in err) == (1, True, True)
    assert "idle" in run("ca", "rotate", "intermediate", "--status", "--json")[1]
    typed(sealed[2], sealed[0])
    code, out, err = run("ca", "rotate", "intermediate", "--prepare", "--json")
    assert (code, json.loads(out)["phase"]) == (0, "prepared"), err
    typed(sealed[2], "OSHARE-00000")
    code, _, err = run("ca", "root", "export", "root.pem")
    assert (code, "wrong or missing" in err) == (1, True)
    typed(sealed[1], sealed[0])
    assert run("ca", "root", "export", "root.pem")[0] == 0


def test_revoking_asks_nobody_and_leaves_the_list_to_the_server(run, sealed, typed):
    _, out, _ = run("outpost", "create", "edge", "--json")
    typed()
    code, out, _ = run("outpost", "revoke", json.loads(out)["outpost_id"])
    assert (code, "signs the revocation list once it is unsealed" in out) == (0, True)

import json
from hashlib import sha256

import pytest
from typer.testing import CliRunner

from control_plane.defaults import default_routing
from outpost.cli import cli
from outpost.dlp.dictionary import build_words
from tests.outpost.dlp.org_lists import KEY


@pytest.fixture
def officers(tmp_path, ready, monkeypatch):
    """``officers(numbers, proposal)`` signs for each; keys lie beside the installation only in this test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pass").write_text("correct horse")
    (tmp_path / "pass").chmod(0o600)
    for number in (1, 2, 3):
        CliRunner().invoke(cli, ["policy", "keygen", f"{number}.key", "--secret-file", "pass"], catch_exceptions=False)

    def sign(numbers, proposal):
        for number in numbers:
            arguments = ["policy", "sign", proposal, "--key", f"{number}.key", "--secret-file", "pass", "--yes"]
            assert CliRunner().invoke(cli, arguments, catch_exceptions=False).exit_code == 0

    return sign


APPOINT = ("policy", "officers", "--key", "1.pub", "--key", "2.pub", "--key", "3.pub", "--threshold", "2")


@pytest.fixture
def handed_over(run, officers):
    assert run(*APPOINT, "--out", "appoint.json")[0] == 0
    officers((1, 3), "appoint.json")
    assert run("policy", "publish", "--proposal", "appoint.json")[0] == 0
    return officers


def roles(run):
    return {row["role"]: row for row in json.loads(run("policy", "status", "--json")[1])}


def test_the_keys_leave_this_control_plane(run, handed_over, tmp_path):
    assert {name: (row["signatures"], row["signed_by"]) for name, row in roles(run).items()} == {
        "root": ("2 of 3", "officers"),
        "targets": ("2 of 3", "officers"),
        "snapshot": ("1 of 1", "this control plane"),
        "timestamp": ("1 of 1", "this control plane"),
        "virtual-keys": ("1 of 1", "this control plane"),
    }
    (folder,) = tmp_path.rglob("orgs/acme")
    assert sorted(path.name for path in folder.iterdir()) == ["snapshot.key", "timestamp.key", "virtual-keys.key"]


def test_policy_needs_officers_and_virtual_keys_do_not(run, handed_over, tmp_path):
    (tmp_path / "routing.json").write_bytes(default_routing("https://llm.example/v1"))
    code, _, err = run("policy", "publish", "--routing", "routing.json")
    assert (code, "let the officers sign a proposal" in err) == (1, True)
    assert run("key", "create", "--name", "n")[0] == 0
    assert run("policy", "propose", "--routing", "routing.json", "--out", "p.json")[0] == 0
    handed_over((1,), "p.json")
    code, _, err = run("policy", "publish", "--proposal", "p.json")
    assert (code, "has 1 of 2 signatures that it needs (of 3 keys)" in err) == (1, True)
    handed_over((2,), "p.json")
    assert run("policy", "publish", "--proposal", "p.json")[0] == 0
    code, _, err = run("policy", "publish", "--proposal", "p.json")
    assert (code, "published already" in err) == (1, True)


@pytest.mark.parametrize(("ending", "state"), [("promote", "promoted"), ("roll-forward", "rolled_forward")])
def test_the_same_officers_begin_a_canary_and_end_it(run, handed_over, tmp_path, ending, state):
    """Their tool remembers what they signed, and refuses what would take it back unseen."""
    label = json.loads(run("outpost", "create", "berlin", "--json")[1])["outpost_id"]
    assert run("outpost", "label", label, "ring=first")[0] == 0
    for number, published in ((1, "https://one.example/v1"), (2, "https://two.example/v1")):
        (tmp_path / "routing.json").write_bytes(default_routing(published))
        proposal = f"p{number}.json"
        assert "policy publish" in run("policy", "propose", "--routing", "routing.json", "--out", proposal)[1]
        handed_over((1, 2), proposal)
        assert run("policy", "publish", "--proposal", proposal, "--canary-label", "ring=first")[0] == 0
        assert run("policy", "publish", "--proposal", proposal)[0] == 1
        code, _, err = run("policy", "roll-forward")
        assert (code, "let the officers sign a proposal" in err) == (1, True)
        back = []
        if ending == "roll-forward":
            assert "policy roll-forward --proposal back.json" in run("policy", "propose", "--out", "back.json")[1]
            handed_over((1, 2), "back.json")
            assert run("policy", "publish", "--proposal", "back.json")[0] == 1  # the canary is not over
            back = ["--proposal", (tmp_path / "back.json").rename(tmp_path / f"back{number}.json").name]
        assert run("policy", ending, *back)[0] == 0
        assert json.loads(run("policy", "canary", "--json")[1])[0]["state"] == state


def test_keys_are_rotated_and_the_root_renewed_with_the_officers(run, handed_over):
    before = roles(run)
    for role in ("root", "targets", "snapshot", "timestamp"):
        assert run("policy", "rotate-key", "--role", role)[0] == 1
    for role in ("root", "targets"):
        code, _, err = run("policy", "propose", "--rotate", role, "--out", f"{role}.json")
        assert (code, "the officers'" in err) == (1, True)
    for role in ("snapshot", "timestamp", "virtual-keys"):
        assert run("policy", "propose", "--rotate", role, "--out", f"{role}.json")[0] == 0
        handed_over((2, 3), f"{role}.json")
        assert run("policy", "publish", "--proposal", f"{role}.json")[0] == 0
        assert roles(run)[role]["keys"] != before[role]["keys"]
    assert run("policy", "propose", "--renew-root", "--out", "renew.json")[0] == 0
    handed_over((2, 3), "renew.json")
    assert run("policy", "publish", "--proposal", "renew.json")[0] == 0
    after = roles(run)
    assert after["root"]["version"] == before["root"]["version"] + 3
    assert after["root"]["keys"] == before["root"]["keys"]


def test_what_cannot_be_done_is_refused_and_leaves_nothing(run, officers, tmp_path):
    for arguments in (
        (*APPOINT, "--out", "1.pub"),
        ("policy", "officers", "--key", "1.pub", "--threshold", "2", "--out", "p.json"),
        ("policy", "officers", "--key", "1.key", "--threshold", "1", "--out", "p.json"),
        ("policy", "officers", "--key", "missing", "--threshold", "1", "--out", "p.json"),
        ("policy", "propose", "--document", "policy.json", "--out", "p.json"),
        ("policy", "propose", "--document", "other.json=1.pub", "--out", "p.json"),
        ("policy", "propose", "--rotate", "snapshot", "--renew-root", "--out", "p.json"),
        ("policy", "publish", "--proposal", "1.pub"),
        ("policy", "publish", "--proposal", "missing"),
        ("policy", "publish"),
    ):
        assert run(*arguments)[0] in (1, 2), arguments
        assert not (tmp_path / "p.json").exists()
    assert roles(run)["root"]["version"] == 1


def test_officers_sign_a_list_by_its_digest(run, handed_over, tmp_path):
    listing = {"schema_version": "1", "lists": [{"id": "customers", "kind": "org.customers", "form": "words"}]}
    (tmp_path / "detectors.json").write_text(json.dumps(listing), "utf-8")
    content = build_words(["Quxley"], "customers", KEY)
    (tmp_path / "customers.list").write_bytes(content)
    lists = ("--document", "customers.list=customers.list")
    propose = ("policy", "propose", "--document", "detectors.json=detectors.json", *lists, "--out", "p.json")
    assert run(*propose)[0] == 0
    shown = CliRunner().invoke(cli, ["policy", "show", "p.json"]).output
    assert f"{len(content)} bytes, sha256 {sha256(content).hexdigest()}" in shown
    handed_over((1, 2), "p.json")
    code, _, err = run("policy", "publish", "--proposal", "p.json")
    assert (code, "give the signed one with --document customers.list=FILE" in err) == (1, True)
    assert run("policy", "publish", "--proposal", "p.json", "--document", "detectors.json=detectors.json")[0] == 2
    assert run("policy", "publish", "--proposal", "p.json", *lists)[0] == 0

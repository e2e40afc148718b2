"""The officer's commands on files, with proposals of a real control plane's rules."""

import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from control_plane import bundles
from control_plane.defaults import default_policy, default_routing
from control_plane.keys import keys_document
from control_plane.org_keys import OrgKeys
from control_plane.proposals import accept, officers_roles, propose
from control_plane.release import Release
from control_plane.signing import ROLES
from outpost.cli import cli
from outpost.policy.proposal import parse_proposal, review
from tests.fakes.clock import NOON
from tests.fakes.control_plane import MemoryBundleStore

FIRST = {"policy.json": default_policy(), "keys.json": keys_document([]), "routing.json": default_routing()}
DAY = timedelta(days=1)


@pytest.fixture
def officer(tmp_path, monkeypatch):
    """``officer("sign", …)`` -> the result; every key has the passphrase of the file ``pass``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pass").write_text("correct horse\n")
    (tmp_path / "pass").chmod(0o600)

    def run(*arguments, **more):
        return CliRunner().invoke(cli, ["policy", *map(str, arguments)], **more)

    for number in (1, 2, 3):
        assert run("keygen", f"officer{number}.key", "--secret-file", "pass").exit_code == 0
    return run


class Plane:
    def __init__(self, folder):
        self.folder = folder
        self.keys, self.store = OrgKeys(folder / "keys"), MemoryBundleStore()
        self.keys.complete(ROLES)
        bundles.create_repository(self.store, "acme", self.keys.load(), NOON)
        bundles.publish(self.store, "acme", FIRST, self.keys.load(), NOON)

    def propose(self, name, **options):
        made = propose(self.store, "acme", NOON, changes=options.pop("changes", {}), **options)
        (self.folder / name).write_text(made.model_dump_json(exclude_none=True))

    def publish(self, name):
        held = self.keys.load()
        signed = parse_proposal((self.folder / name).read_bytes())
        return accept(Release(self.store, "acme", held, NOON, DAY), [signed], held)


@pytest.fixture
def plane(tmp_path, officer):
    plane = Plane(tmp_path)
    pems = [(tmp_path / f"officer{number}.pub").read_bytes() for number in (1, 2, 3)]
    plane.propose("appoint.json", roles=officers_roles(pems, 2, 2))
    return plane


def sign(officer, name, number, *more, **options):
    options = {"input": "y\n"} | options
    return officer("sign", name, "--key", f"officer{number}.key", "--secret-file", "pass", *more, **options)


def test_two_of_three_sign_on_their_own_machines(officer, plane):
    shown = officer("show", "appoint.json")
    assert "KEYS      targets: was signed by 1 of" in shown.stdout
    assert "2 of" in shown.stdout
    first = sign(officer, "appoint.json", 1)
    assert (first.exit_code, "Still missing: root by current keys: 0 of 1" in first.stderr) == (0, True)
    second = sign(officer, "appoint.json", 2)
    assert second.exit_code == 0
    plane.publish("appoint.json")
    plane.propose("next.json", changes={"routing.json": default_routing("https://llm.example/v1")})
    shown = officer("show", "next.json")
    assert '+      "base_url": "https://llm.example/v1",' in shown.stdout
    assert "targets   version 2 is in force, 3 is proposed" in shown.stdout
    for number in (1, 3):
        assert sign(officer, "next.json", number).exit_code == 0
    assert json.loads(officer("show", "next.json", "--json").stdout)["complete"] is True
    plane.publish("next.json")


def test_what_a_change_loosens_is_shown_rule_by_rule(officer, plane, tmp_path):
    policy = json.loads(default_policy())
    policy["packs"][0]["rules"] = policy["packs"][0]["rules"][1:]
    plane.propose("p.json", changes={"policy.json": json.dumps(policy).encode()})
    shown = officer("show", "p.json").stdout
    assert "  LOOSENS   default/card-data: removed: BLOCK when findings pci.*" in shown
    assert '-          "id": "card-data",' in shown  # and the text, for that is what is signed
    (change,) = json.loads(officer("show", "p.json", "--json").stdout)["changes"]
    assert (change["effect"], change["where"]) == ("loosens", "default/card-data")


def test_who_says_no_signs_nothing(officer, plane, tmp_path):
    before = (tmp_path / "appoint.json").read_bytes()
    assert sign(officer, "appoint.json", 1, input="n\n").exit_code == 1
    assert (tmp_path / "appoint.json").read_bytes() == before
    assert not (tmp_path / "officer1.seen.json").exists()


def test_the_same_again_is_signed_but_nothing_that_hides_it(officer, plane, tmp_path):
    for number in (1, 2):
        sign(officer, "appoint.json", number)
    plane.publish("appoint.json")
    plane.propose("next.json", changes={"routing.json": default_routing("https://llm.example/v1")})
    old = (tmp_path / "next.json").read_bytes()
    assert sign(officer, "next.json", 1, "--yes").exit_code == 0
    assert sign(officer, "next.json", 1, "--yes").exit_code == 0
    plane.propose("other.json", changes={"routing.json": default_routing("https://evil.example/v1")})
    refused = sign(officer, "other.json", 1, "--yes")
    assert refused.exit_code != 0
    assert "hiding" in str(refused.exception)
    assert sign(officer, "other.json", 2, "--yes").exit_code == 0  # whose last signature is published
    assert sign(officer, "other.json", 1, "--yes", "--withdrawn").exit_code == 0
    assert review(parse_proposal(old)).targets_versions == (2, 3)


def test_what_is_changed_while_it_is_read_is_not_signed(officer, plane, tmp_path):
    plane.propose("other.json", changes={"routing.json": default_routing("https://evil.example/v1")})
    path = tmp_path / "appoint.json"

    def exchange(*_, **__):
        path.write_bytes((tmp_path / "other.json").read_bytes())
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("outpost.officer.commands.typer.confirm", exchange)
        assert sign(officer, "appoint.json", 1).exit_code != 0
    assert review(parse_proposal(path.read_bytes())).signatures[0].signed == ()


@pytest.mark.parametrize(
    "arguments",
    [
        ["sign", "appoint.json", "--yes"],
        ["sign", "appoint.json", "--yes", "--key", "officer1.key"],  # no passphrase, nobody to ask
        ["sign", "appoint.json", "--yes", "--key", "missing.key", "--secret-file", "pass"],
        ["sign", "pass", "--yes", "--key", "officer1.key", "--secret-file", "pass"],
        ["show", "pass"],
        ["show", "missing.json"],
        ["keygen", "officer1.key", "--secret-file", "pass"],
        ["keygen", "x.key", "--secret-file", "missing"],
    ],
)
def test_what_cannot_be_done_is_refused(officer, plane, tmp_path, arguments):
    before = (tmp_path / "appoint.json").read_bytes()
    assert officer(*arguments).exit_code != 0
    assert (tmp_path / "appoint.json").read_bytes() == before


def test_a_memory_that_cannot_be_read_is_not_forgotten(officer, plane, tmp_path):
    (tmp_path / "officer1.seen.json").write_text("{")
    result = sign(officer, "appoint.json", 1, "--yes")
    assert "restore it from a backup" in str(result.exception)

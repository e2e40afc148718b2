"""The command line as a person uses it: real processes' entry point, exit codes, one line per refusal."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from control_plane.cli import app
from control_plane.defaults import default_policy, default_routing

ROOT = Path(__file__).parents[2]


def _commands(group, prefix=()):
    for command in group.registered_commands:
        yield *prefix, command.name
    for child in group.registered_groups:
        yield from _commands(child.typer_instance, (*prefix, child.name))


@pytest.mark.parametrize("command", list(_commands(app)), ids=" ".join)
def test_every_command_explains_itself_with_an_example(command):
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert f"Example: control-plane {' '.join(command)}" in re.sub(r"\s+", " ", result.output)


def test_a_day_at_the_command_line(run, ready, tmp_path):
    code, out, _ = run("outpost", "create", "berlin", "--json")
    outpost = json.loads(out)
    assert (code, outpost["control_plane_url"]) == (0, "https://localhost:8100")
    assert outpost["token"].startswith(f"oet1.{outpost['outpost_id']}.")
    assert "OUTPOST_ENROLMENT_TOKEN=<token>" in run("outpost", "create", "paris")[1]
    assert json.loads(run("outpost", "token", outpost["outpost_id"], "--json")[1])["token"] != outpost["token"]

    code, out, _ = run(
        "key", "create", "--group", "staff", "--model", "m1", "--expires", "2030-01-01T00:00:00Z", "--json"
    )
    key = json.loads(out)
    assert (code, key["snapshot_version"]) == (0, 3)
    assert [row["state"] for row in json.loads(run("key", "list", "--json")[1])] == ["active", "active"]
    assert run("key", "revoke", key["id"])[0] == 0
    assert [row["state"] for row in json.loads(run("key", "list", "--json")[1])] == ["active", "revoked"]

    (tmp_path / "policy.json").write_bytes(default_policy())
    (tmp_path / "routing.json").write_bytes(default_routing("https://llm.example/v1"))
    code, out, _ = run("policy", "publish", "policy.json", "--routing", "routing.json", "--json")
    assert json.loads(out) == {
        "org": "acme",
        "snapshot_version": 5,
        "documents": ["policy.json", "routing.json"],
    }

    (tmp_path / "key.txt").write_text("sk-planted\n")
    code, out, err = run("secret", "set", "provider/openai", "--file", "key.txt")
    assert (code, "planted" in out + err) == (0, False)

    assert run("outpost", "revoke", outpost["outpost_id"])[0] == 0
    states = {row["id"]: row["state"] for row in json.loads(run("outpost", "list", "--json")[1])}
    assert states[outpost["outpost_id"]] == "revoked"
    assert run("ca", "crl")[1].startswith("-----BEGIN X509 CRL-----")
    assert run("ca", "crl", "--out", tmp_path / "x.crl")[0] == 0
    assert run("migrate")[1] == "Nothing to do.\n"
    assert json.loads(run("user", "create", "ops", "--json")[1])["password"]

    assert run("org", "create", "globex")[0] == 0
    assert run("key", "list")[::2] == (1, "control-plane: there are 2 orgs; say which with --org\n")
    assert run("key", "list", "--org", "globex")[1] == "There are no keys yet.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("policy", "publish", "none.json"), 1, "none.json: No such file"),
        (("policy", "publish", "bad.json"), 1, "policy.json: packs"),
        (("policy", "publish"), 2, "FILE"),
        (("outpost", "revoke", "nobody"), 1, "no such outpost"),
        (("outpost", "create", "Not A Name"), 1, "a-z"),
        (("key", "create", "--expires", "tomorrow"), 2, "RFC 3339"),
        (("key", "create", "--expires", "2030-01-01"), 2, "offset"),
        (("key", "create", "--network", "10.0.0.0/99"), 1, "allowed_networks"),
        (("key", "revoke", "nothing"), 1, "key list"),
        (("secret", "set", "openai", "--file", "bad.json"), 1, "provider/"),
        (("org", "create", "acme"), 1, "already"),
        (("nonsense",), 2, "No such command"),
        (("serve", "--config", "none.toml"), 1, "none.toml"),
    ],
)
def test_a_refusal_is_one_line_and_the_right_exit_code(run, ready, tmp_path, arguments, code, says):
    (tmp_path / "bad.json").write_text('{"schema_version":"1","packs":[]}')
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert says in err
    assert code == 2 or err.count("\n") == 1

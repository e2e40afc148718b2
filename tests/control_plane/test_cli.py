"""The command line as a person uses it: real processes' entry point, exit codes, one line per refusal."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from control_plane.cli import app, main
from control_plane.defaults import default_policy, default_routing

ROOT = Path(__file__).parents[2]


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

    return call


@pytest.fixture
def ready(run):
    code, out, _ = run("init", "--org", "acme", "--json")
    assert code == 0
    return json.loads(out)


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


@pytest.mark.parametrize("command", [("serve",), ("key", "list"), ("migrate",), ("outpost", "create", "x")])
def test_before_init_everything_says_so(run, command):
    code, _, err = run(*command)
    assert (code, "control-plane init" in err) == (1, True)


def test_serve_refuses_keys_that_others_can_read(run, ready, tmp_path):
    (tmp_path / "control-plane-data" / "keys" / "receipt.key").chmod(0o644)
    code, _, err = run("serve")
    assert (code, "chmod 600" in err) == (1, True)


def _wait_for(process, log, pattern, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = re.findall(pattern, log.read_text())
        if found:
            return found
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.mark.e2e
def test_a_container_starts_from_an_empty_volume_and_stops_on_sigterm(tmp_path):
    log = tmp_path / "log"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "CONTROL_PLANE_DATA_DIR": str(tmp_path / "volume"),
        "CONTROL_PLANE_PLATFORM_HOST": "127.0.0.1",
        "CONTROL_PLANE_PLATFORM_PORT": "0",
        "CONTROL_PLANE_OUTPOST_HOST": "127.0.0.1",
        "CONTROL_PLANE_OUTPOST_PORT": "0",
    }
    (tmp_path / "volume").mkdir()
    secrets_file = tmp_path / "volume" / "initial-secrets.json"
    for start in range(2):
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "control_plane.cli", "serve", "--init-if-missing"],
                cwd=tmp_path,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            urls = _wait_for(process, log, r'"listener": "platform".*"url": "([^"]+)"')
            context = ssl.create_default_context(cafile=str(tmp_path / "volume" / "ca" / "root.pem"))
            with urllib.request.urlopen(f"{urls[0]}/readyz", context=context, timeout=10) as answer:
                assert answer.status == 200
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
        assert code == 0, log.read_text()
        secrets = json.loads(secrets_file.read_text())
        assert oct(secrets_file.stat().st_mode & 0o777) == "0o600"
        assert secrets["virtual_key"] not in log.read_text()
        assert secrets["admin_password"] not in log.read_text()
        assert ("initial-secrets.json" in log.read_text()) == (start == 0)

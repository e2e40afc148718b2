"""Two file keys and one in a real PKCS #11 token sign, as processes; the control plane's process publishes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from control_plane.defaults import default_routing
from outpost.demo.processes import command

pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
UTIL = shutil.which("softhsm2-util")
PIN = "4711-4711"
STORE = ("--pkcs11", f"pkcs11:token=officer?module-path={MODULE}", "--label", "officer3", "--secret-file", "pin")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(UTIL is None or not MODULE.exists(), reason="softhsm2 is not installed"),
]


@pytest.fixture
def run(tmp_path):
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(
        f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    for name, secret in (("pin", PIN), ("pass", "correct horse")):
        (tmp_path / name).write_text(f"{secret}\n")
        (tmp_path / name).chmod(0o600)
    environment = {
        "PATH": os.environ["PATH"],
        "SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf"),
        "CONTROL_PLANE_DATA_DIR": str(tmp_path / "data"),
    }
    subprocess.run(
        [UTIL, "--init-token", "--free", "--label", "officer", "--so-pin", "0815-0815", "--pin", PIN],
        env=environment, check=True, capture_output=True,
    )  # fmt: skip

    def call(*arguments):
        program, *rest = map(str, arguments)
        return subprocess.run(
            [command(program), *rest], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return call


def ok(done):
    assert done.returncode == 0, done.stderr
    return done


def test_a_token_and_two_files_are_three_officers(run, tmp_path):
    ok(run("control-plane", "init", "--org", "acme"))
    for number in (1, 2):
        ok(run("outpost", "policy", "keygen", f"officer{number}.key", "--secret-file", "pass"))
    ok(run("outpost", "policy", "keygen", "officer3.pub", *STORE))
    assert not (tmp_path / "officer3.key").exists()
    keys = [part for number in (1, 2, 3) for part in ("--key", f"officer{number}.pub")]
    ok(run("control-plane", "policy", "officers", *keys, "--threshold", "2", "--out", "appoint.json"))
    ok(run("outpost", "policy", "sign", "appoint.json", "--yes", *STORE))
    ok(run("outpost", "policy", "sign", "appoint.json", "--yes", "--key", "officer1.key", "--secret-file", "pass"))
    ok(run("control-plane", "policy", "publish", "--proposal", "appoint.json"))

    (tmp_path / "routing.json").write_bytes(default_routing("https://llm.example/v1"))
    refused = run("control-plane", "policy", "publish", "--routing", "routing.json")
    assert (refused.returncode, "does not hold" in refused.stderr) == (1, True)
    ok(run("control-plane", "policy", "propose", "--routing", "routing.json", "--out", "one.json"))
    shutil.copy(tmp_path / "one.json", tmp_path / "two.json")  # each officer signs a copy, apart
    shown = ok(run("outpost", "policy", "show", "one.json")).stdout
    assert "https://llm.example/v1" in shown
    ok(run("outpost", "policy", "sign", "one.json", "--yes", *STORE))
    refused = run("control-plane", "policy", "publish", "--proposal", "one.json")
    assert (refused.returncode, "1 of 2 signatures" in refused.stderr) == (1, True)
    ok(run("outpost", "policy", "sign", "two.json", "--yes", "--key", "officer2.key", "--secret-file", "pass"))
    ok(run("control-plane", "policy", "publish", "--proposal", "one.json", "--proposal", "two.json"))
    status = json.loads(ok(run("control-plane", "policy", "status", "--json")).stdout)
    assert [row["signed_by"] for row in status] == ["officers"] * 2 + ["this control plane"] * 3

    assert (tmp_path / "officer3.seen.json").exists()  # of a key in a token too, whatever the proposal is called
    (tmp_path / "appoint.json").rename(tmp_path / "older.json")
    refused = run("outpost", "policy", "sign", "older.json", "--yes", *STORE)
    assert (refused.returncode, "were signed with this key" in refused.stderr) == (1, True)

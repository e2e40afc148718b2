"""The intermediate's key in a real PKCS #11 token: init, serve and enrolment as processes, over real TLS."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509

from outpost.demo.processes import command

pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
UTIL = shutil.which("softhsm2-util")
PIN = "4711-4711"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(UTIL is None or not MODULE.exists(), reason="softhsm2 is not installed"),
]


@pytest.fixture
def environment(tmp_path):
    """A token of its own, and settings that name it."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(
        f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    (tmp_path / "pin").write_text(f"{PIN}\n")
    (tmp_path / "pin").chmod(0o600)
    variables = {
        "PATH": os.environ["PATH"],
        "SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf"),
        "CONTROL_PLANE_DATA_DIR": str(tmp_path / "data"),
        "CONTROL_PLANE_KEY_STORE": f"pkcs11:token=ours?module-path={MODULE}",
        "CONTROL_PLANE_KEY_STORE_SECRET_FILE": str(tmp_path / "pin"),
        "CONTROL_PLANE_PLATFORM_HOST": "127.0.0.1",
        "CONTROL_PLANE_PLATFORM_PORT": "0",
        "CONTROL_PLANE_OUTPOST_HOST": "127.0.0.1",
        "CONTROL_PLANE_OUTPOST_PORT": "0",
        "CONTROL_PLANE_PUBLIC_SYNC_URL": "https://127.0.0.1:8443",
    }
    subprocess.run(
        [UTIL, "--init-token", "--free", "--label", "ours", "--so-pin", "0815-0815", "--pin", PIN],
        env=variables, check=True, capture_output=True,
    )  # fmt: skip
    return variables


def _run(environment, cwd, *arguments, **more):
    program, *rest = arguments
    return subprocess.run(
        [command(program), *rest],
        env=environment | more,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _platform_url(process, log):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if '"listener": "platform"' in line:
                return json.loads(line)["url"]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_an_outpost_enrols_with_an_authority_whose_key_is_in_a_token(environment, tmp_path):
    first = _run(environment, tmp_path, "control-plane", "init", "--offline-root", "root.pem", "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["key_store"] == "PKCS #11 token ours"
    assert list((tmp_path / "data").rglob("ca/*.key")) == []

    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [command("control-plane"), "serve"], env=environment, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        url = _platform_url(process, log)
        created = _run(environment, tmp_path, "control-plane", "outpost", "create", "edge", "--json")
        assert created.returncode == 0, created.stderr
        token = json.loads(created.stdout)["token"]
        registered = _run(
            environment, tmp_path, "outpost", "register", "--control-plane", url, "--data-dir", "edge", "--json",
            OUTPOST_ENROLMENT_TOKEN=token,
        )  # fmt: skip
        assert registered.returncode == 0, registered.stderr + log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    assert (code, PIN in log.read_text()) == (0, False), log.read_text()
    (intermediate,) = x509.load_pem_x509_certificates((tmp_path / "data" / "ca" / "intermediate.pem").read_bytes())
    leaves = [
        certificate
        for file in (tmp_path / "edge").rglob("*.pem")
        if b"BEGIN CERTIFICATE" in file.read_bytes()
        for certificate in x509.load_pem_x509_certificates(file.read_bytes())
        if certificate.issuer == intermediate.subject
    ]
    assert leaves
    for leaf in leaves:
        leaf.verify_directly_issued_by(intermediate)


def test_a_token_that_is_gone_or_shut_stops_the_start_in_one_line(environment, tmp_path):
    assert _run(environment, tmp_path, "control-plane", "init").returncode == 0
    (tmp_path / "pin").write_text("0000\n")
    shut = _run(environment, tmp_path, "control-plane", "serve")
    assert (shut.returncode, shut.stderr.count("\n")) == (1, 1)
    assert shut.stderr.startswith("control-plane: PKCS #11 token ours: the PIN is wrong; give the user PIN")
    shutil.rmtree(tmp_path / "tokens")
    (tmp_path / "tokens").mkdir()
    gone = _run(environment, tmp_path, "control-plane", "serve")
    assert (gone.returncode, "PKCS #11 token ours: there is no such token; connect it" in gone.stderr) == (1, True)

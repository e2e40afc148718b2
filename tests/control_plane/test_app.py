"""The server as a process and as an object."""

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from control_plane.app import Opened, Server, open_for
from control_plane.authorities import Kind
from control_plane.ceremonies import Ceremonies
from control_plane.config import Config
from control_plane.errors import NotInitialised
from control_plane.operations_core import utc_now
from control_plane.rotation import Step
from tests.fakes.clock import NOON
from tests.fakes.installation import OutpostKeys, installed, reopened

ROOT = Path(__file__).parents[2]


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


def _config(plane, **settings):
    values = {"data_dir": plane.path, "platform_host": "127.0.0.1", "outpost_host": "127.0.0.1"}
    return Config(**({"platform_port": 0, "outpost_port": 0} | values | settings))


async def test_a_taken_port_stops_the_start_and_frees_the_other(tmp_path):
    with installed(tmp_path / "data", utc_now) as plane, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = Server(_config(plane, outpost_port=taken.getsockname()[1]), Opened(plane.operations, ("localhost",)))
        with pytest.raises(OSError, match="address already in use"):
            await server.__aenter__()
        port = int(server.urls["platform"].rpartition(":")[2])
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_the_schedule_signs_again_and_serves_a_new_certificate(tmp_path):
    now = [utc_now()]
    with installed(tmp_path / "data", utc_now) as plane:
        plane.operations.clock = lambda: now[0]
        before = plane.operations.metadata("acme", "timestamp.json")
        config = _config(plane, timestamp_resign_s=10)
        async with Server(config, Opened(plane.operations, ("localhost", "127.0.0.1"))) as server:
            first = await _served_certificate(server)
            now[0] += timedelta(days=70)
            assert await asyncio.to_thread(server._refresh)
            server._load_certificate()
            assert await _served_certificate(server) != first
        assert plane.operations.metadata("acme", "timestamp.json") != before


async def _served_certificate(server):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = int(server.urls["platform"].rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return der


def test_an_installation_opens_with_its_own_names_or_the_settings(plane):
    operations = plane.operations
    for settings, names in (({}, ("localhost", "127.0.0.1")), ({"server_names": ["a.example"]}, ("a.example",))):
        opened = open_for(_config(plane, **settings))
        assert (opened.server_names, opened.operations.trust_domain) == (names, operations.trust_domain)
        opened.close()
    with pytest.raises(NotInitialised):
        open_for(_config(plane, trust_domain="other.test"))


@pytest.mark.parametrize("kind", Kind)
async def test_a_running_server_follows_a_rotation_of_another_process(tmp_path, kind):
    """Every outpost verifies it at every moment: one that knows the old root only, and one that knows the new."""
    with installed(tmp_path / "data", utc_now) as plane, reopened(plane.path, plane.first, utc_now) as other:
        old_root = plane.operations.newest_trust().anchor
        ceremonies = Ceremonies(other.operations, 30)
        config = _config(plane, watch_poll_s=0.02)
        async with Server(config, Opened(plane.operations, ("localhost", "127.0.0.1"))) as server:
            before = await _served_certificate(server)
            ceremonies.prepare(kind)
            new_root = next(
                one for one in other.operations.newest_trust().trust.anchors if one != old_root or kind is not Kind.ROOT
            )
            for step in (Step.ACTIVATE, Step.RETIRE):
                ceremonies.advance(kind, step)
                async with asyncio.timeout(10):
                    while await _served_certificate(server) == before:  # noqa: ASYNC110 - it is asked from outside
                        await asyncio.sleep(0.02)
                for anchor in (old_root, new_root):
                    context = ssl.create_default_context(cadata=anchor.public_bytes(Encoding.PEM).decode())
                    port = int(server.urls["platform"].rpartition(":")[2])
                    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
                    assert writer.get_extra_info("ssl_object").getpeercert()  # empty if nothing was verified
                    writer.transport.abort()


def test_an_authority_near_its_end_is_announced_with_the_command(plane, clock):
    server = Server(_config(plane), Opened(plane.operations, ("localhost",)))
    for days, warned in ((600, []), (700, ["intermediate"])):
        clock.advance(NOON + timedelta(days=days) - clock())
        with capture_logs() as logs:
            server._refresh()
        ending = [entry for entry in logs if entry["event"] == "authority_ends_soon"]
        assert [entry["authority"] for entry in ending] == warned
        assert all("ca rotate" in entry["hint"] for entry in ending)


def test_certificates_begin_as_long_before_their_issue_as_the_settings_say(tmp_path):
    with installed(tmp_path / "data", lambda: utc_now() - timedelta(days=30)) as plane:
        pass  # no certificate begins before its issuer's
    for seconds in (0, 300, 86_400):
        opened = open_for(_config(plane, certificate_backdate_s=seconds))
        try:
            _, token = opened.operations.create_outpost("acme", f"edge-{seconds}", timedelta(minutes=15))
            issued = opened.operations.enroll(OutpostKeys().message(token.text))[0].certificate
            certificate = x509.load_der_x509_certificate(issued.der)
            wanted = issued.issued_at - timedelta(seconds=seconds)
            assert abs(certificate.not_valid_before_utc - wanted) < timedelta(seconds=1)
        finally:
            opened.close()

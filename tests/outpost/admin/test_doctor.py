import asyncio
import socket
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from outpost.admin.doctor import Status, Surroundings, examine
from outpost.audit.event import AuditEvent
from outpost.audit.log import open_log
from outpost.config import Config
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.enrolled import enrol, fill_cache
from tests.fakes.model_pack import write_pack
from tests.fakes.rotating_plane import RotatingPlane
from tests.fakes.tls_files import tls_site

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def plane(clock) -> RotatingPlane:
    plane = RotatingPlane(clock)
    plane.publish()
    return plane


@pytest.fixture
def data_dir(plane, clock, tmp_path):
    identity = enrol(plane, tmp_path / "data", clock)
    fill_cache(plane, identity, tmp_path / "data")

    async def log_one() -> None:
        log = open_log(tmp_path / "data" / "audit.db", identity.audit_signer(), identity.log_origin, clock=clock)
        await log.append(AuditEvent(kind="system", at=clock(), request_id="system", outcome="start"))
        log.close()

    asyncio.run(log_one())
    return tmp_path / "data"


@pytest.fixture
def doctor(plane, clock, data_dir, monkeypatch):
    """Runs the checks in surroundings where nothing is wrong, but for what is changed; gives them by name."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    around = Surroundings(
        clock=clock,
        running={"outpost_id": "edge-1", "state": "green", "warnings": []},
        transport=plane.transport_for,
        resolve=lambda _host, _port: [],
        connect=lambda _host, _port: None,
    )

    def doctor(**changes):
        config = Config(
            data_dir=changes.pop("data_dir", data_dir),
            listen_host="127.0.0.1",
            listen_port=0,
            admin_port=changes.pop("admin_port", 0),
            models_pack=changes.pop("models_pack", None),
            tls_certificate_file=changes.pop("tls_certificate_file", None),
        )
        checks = asyncio.run(examine(config, replace(around, **changes)))
        assert all(check.fix for check in checks if check.status is Status.FAIL)
        return SimpleNamespace(
            by={check.name: check for check in checks},
            failed={check.name for check in checks if check.status is Status.FAIL},
            warned={check.name for check in checks if check.status is Status.WARN},
        )

    return doctor


def test_nothing_is_wrong(doctor):
    found = doctor()
    assert found.failed == set()
    assert "not on list 1" in found.by["revocation"].detail
    assert found.by["audit log"].detail == "1 events verify"
    assert "fresh" in found.by["policy"].detail
    assert found.by["clock"].detail == "+0 s from the control plane's"


def test_a_model_pack_is_verified(doctor, tmp_path):
    folder = write_pack(tmp_path / "pack")
    assert doctor(models_pack=folder).by["models"].detail.startswith("tiny 1.0 (")
    (folder / "model.onnx").write_bytes(b"altered")
    assert doctor(models_pack=folder).failed == {"models"}
    assert "models" not in doctor().by


def test_an_outpost_that_is_not_running_is_examined_all_the_same(doctor):
    found = doctor(running=None)
    assert "outpost" in found.warned
    assert found.by["TLS"].status is Status.OK


def test_no_identity(doctor, tmp_path):
    (tmp_path / "empty").mkdir()
    assert doctor(data_dir=tmp_path / "empty").failed == {"identity"}


def test_a_data_directory_that_is_not_there(doctor, tmp_path):
    assert "disk" in doctor(data_dir=tmp_path / "none").failed


def test_a_key_that_others_can_read(doctor, data_dir):
    (data_dir / "identity" / "key.pem").chmod(0o644)
    assert "chmod 600" in doctor().by["identity"].detail


@pytest.mark.parametrize(("days", "status"), [(3, Status.OK), (6, Status.WARN), (8, Status.FAIL), (-1, Status.FAIL)])
def test_the_certificates_time(doctor, days, status):
    assert doctor(clock=FakeClock(NOON + days * DAY)).by["certificate"].status is status


def test_names_that_do_not_resolve_and_ports_that_do_not_answer(doctor):
    def no_name(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    def refused(host, port):
        raise ConnectionRefusedError(111, "Connection refused")

    assert "control plane name" in doctor(resolve=no_name).failed
    found = doctor(connect=refused)
    assert "control plane connection" in found.failed
    assert "firewall" in found.by["control plane connection"].fix


def test_a_proxy_of_the_environment_is_what_is_connected_to(doctor, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    asked = []
    found = doctor(connect=lambda host, port: asked.append((host, port)))
    assert found.by["proxy to control plane"].detail.startswith("proxy.test:3128")
    assert set(asked) == {("proxy.test", 3128)}


def test_a_dead_control_plane(doctor, plane):
    plane.down = True
    found = doctor()
    assert "TLS" in found.failed
    assert {"revocation", "clock"} <= found.warned


def test_a_clock_that_is_off(doctor, plane, clock):
    wrong = FakeClock(NOON + timedelta(minutes=7))
    assert "your clock is 7 minutes off (ahead)" in doctor(clock=wrong).by["clock"].detail
    plane.outpost_clock = FakeClock(NOON + 4000 * DAY)
    found = doctor(clock=plane.outpost_clock)
    assert {"TLS", "clock", "certificate", "policy"} <= found.failed
    assert "could not be verified" in found.by["clock"].detail


def test_a_revoked_outpost(doctor, plane):
    plane.revoke_signed("edge-1")
    found = doctor()
    assert "revoked by list 2" in found.by["revocation"].detail
    assert {"TLS", "revocation"} <= found.failed


def test_a_stale_and_an_expired_policy(doctor, clock):
    clock.advance(2 * DAY)
    assert doctor().by["policy"].status is Status.WARN
    clock.advance(6 * DAY)
    assert doctor().by["policy"].status is Status.FAIL


def test_a_damaged_cache_and_an_altered_log(doctor, data_dir):
    (data_dir / "outpost.db").write_bytes(b"")
    audit = data_dir / "audit.db"
    audit.write_bytes(audit.read_bytes().replace(b'"outcome":"start"', b'"outcome":"sport"'))
    assert {"policy", "audit log", "clock"} <= doctor().failed


def test_a_port_that_is_taken(doctor):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = doctor(running=None, admin_port=taken.getsockname()[1])
    assert found.by["admin port"].status is Status.FAIL
    assert "Address already in use" in found.by["admin port"].detail


def test_files_of_the_proxys_own_tls(doctor, tmp_path):
    chain, key = tls_site(tmp_path / "tls").server()
    assert "client TLS" not in doctor().by
    assert doctor(tls_certificate_file=chain).failed == {"client TLS"}
    chain.write_bytes(chain.read_bytes() + key.read_bytes())
    assert doctor(tls_certificate_file=chain).by["client TLS"].status is Status.OK


def test_what_the_running_outpost_says_of_itself(doctor):
    red = {"outpost_id": "edge-1", "state": "red", "warnings": ["recovery_pending: wait"], "problems": []}
    assert "recovery_pending" in doctor(running=red).by["outpost"].detail
    assert "outpost" in doctor(running={"outpost_id": "edge-2", "state": "green"}).failed


def test_it_leaves_nothing_behind(doctor, data_dir):
    before = {path for path in data_dir.rglob("*") if not path.name.endswith(("-wal", "-shm"))}
    doctor()
    assert {path for path in data_dir.rglob("*") if not path.name.endswith(("-wal", "-shm"))} == before

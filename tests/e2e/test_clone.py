"""One identity on two machines: reported, and neither loses anything by it until a person decides."""

import json
import shutil
import time
from datetime import UTC, datetime

import httpx
import pytest

from outpost.demo.processes import command, free_ports
from outpost.demo.stage import Stage
from outpost.sync.identity import load_identity

PATIENCE_S = 40.0


class ClonedStage(Stage):
    """A stage with a second outpost process on a copy of the first one's data directory."""

    def run_clone(self) -> None:
        shutil.copytree(self.outpost_data, self.directory / "clone")
        proxy, self.clone_admin = free_ports(2)
        settings = self._outpost_settings() | {
            "OUTPOST_DATA_DIR": str(self.directory / "clone"),
            "OUTPOST_LISTEN_PORT": str(proxy),
            "OUTPOST_ADMIN_PORT": str(self.clone_admin),
        }
        url = f"http://127.0.0.1:{self.clone_admin}/healthz"
        self._spawn("clone", [command("outpost"), "run"], settings, lambda: self._is_ok(url))

    def clone_health(self) -> dict:
        return httpx.get(f"http://127.0.0.1:{self.clone_admin}/health", trust_env=False).json()

    def certificates(self) -> list[str]:
        return [health["identity"]["certificate_sha256"] for health in (self.health(), self.clone_health())]

    def row(self) -> dict:
        (row,) = json.loads(self.control_plane("outpost", "list", "--json"))
        return row


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.delenv("OUTPOST_PROVIDER_URL", raising=False)
    running = ClonedStage(tmp_path, {"CONTROL_PLANE_HEARTBEAT_INTERVAL_S": "1"})
    try:
        running.start_provider()
        running.init_control_plane()
        running.serve_control_plane()
        running.enrol("twin")
        running.run_outpost()
        yield running
    finally:
        running.close()


def _eventually(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        assert time.monotonic() < deadline, result
        time.sleep(0.3)


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_a_cloned_identity_is_reported_and_costs_neither_its_own(stage):
    first = stage.health()["identity"]["certificate_sha256"]
    stage.stop("outpost")
    stage.run_outpost()  # a restart is no clone, and neither is a quick second one
    stage.kill("outpost")
    stage.run_outpost()
    time.sleep(3)  # three heartbeats
    assert stage.row()["cloned"] is None
    stage.stop("outpost")
    stage.run_clone()
    stage.run_outpost()
    _eventually(lambda: stage.row()["cloned"])
    log = (stage.directory / "control-plane.log").read_text()
    assert '"event": "cloned_identity"' in log
    for health in (stage.health(), stage.clone_health()):
        assert (health["identity"]["certificate_sha256"], health["identity"]["problem"]) == (first, None)

    for step in ("--prepare", "--activate"):  # both are asked to renew
        stage.control_plane("ca", "rotate", "intermediate", step, "--override", "--reason", "test")
    _eventually(lambda: first not in stage.certificates())
    assert len(set(stage.certificates())) == 2
    events = json.loads(stage.control_plane("outpost", "events", "--json"))
    kinds = [event["kind"] for event in events]
    assert (kinds.count("cloned"), kinds.count("renewed")) == (1, 2)

    stage.control_plane("outpost", "revoke", stage.row()["id"])
    _eventually(lambda: all(health["identity"]["revoked"] for health in (stage.health(), stage.clone_health())))
    for data_dir in (stage.outpost_data, stage.directory / "clone"):
        assert load_identity(data_dir, datetime.now(UTC)).outpost_id == stage.row()["id"]

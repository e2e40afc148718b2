"""Both authorities replaced under a running outpost by the commands of the runbook, while it answers requests."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from outpost.demo.processes import DemoFailed
from outpost.demo.stage import Stage

PATIENCE_S = 40.0


class Caller(threading.Thread):
    """Asks all the time and remembers every answer that was not 200."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(daemon=True)
        self.stage, self.stop = stage, threading.Event()
        self.asked, self.failed = 0, []

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                status = self.stage.ask("still there?").status_code
            except httpx.HTTPError as err:
                status = type(err).__name__
            self.asked += 1
            if status != httpx.codes.OK:
                self.failed.append(status)
            time.sleep(0.05)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.delenv("OUTPOST_PROVIDER_URL", raising=False)
    running = Stage(tmp_path, {"CONTROL_PLANE_HEARTBEAT_INTERVAL_S": "1"})
    try:
        running.start_provider()
        running.init_control_plane()
        running.serve_control_plane()
        running.enrol("rotated")
        running.run_outpost()
        yield running
    finally:
        running.close()


def rotate(stage: Stage, kind: str, step: str) -> None:
    """Take a step as soon as the outpost has confirmed the one before."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            stage.control_plane("ca", "rotate", kind, step)
        except DemoFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_both_authorities_are_rotated_without_a_failed_request(stage: Stage) -> None:
    first = stage.health()["identity"]["certificate_sha256"]
    caller = Caller(stage)
    caller.start()

    seen = [first]
    for kind in ("intermediate", "root"):
        stage.control_plane("ca", "rotate", kind, "--prepare")
        rotate(stage, kind, "--activate")
        rotate(stage, kind, "--retire")
        seen.append(stage.health()["identity"]["certificate_sha256"])

    stage.wait_delivered()
    caller.stop.set()
    caller.join(10)
    assert len(set(seen)) == 3
    assert stage.health()["state"] == "green"
    assert caller.asked > 50
    assert caller.failed == []

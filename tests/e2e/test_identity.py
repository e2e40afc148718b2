"""Real processes with real clocks turned (Debian's ``faketime``): expiry, 1970, 2038, and a rotation slept through."""

import time
from pathlib import Path

import pytest

from outpost.demo.stage import Stage

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
PATIENCE_S = 40.0
needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (apt-get install faketime)")


@pytest.fixture
def at(monkeypatch):
    """Starts processes at another time: an offset or a moment as faketime writes them; None is now."""

    def at(when: str | None) -> None:
        for name in ("LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"):
            monkeypatch.delenv(name, raising=False)
        if when is not None:
            monkeypatch.setenv("LD_PRELOAD", str(LIBRARY))
            monkeypatch.setenv("FAKETIME", when)
            monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")

    return at


@pytest.fixture
def enrolled(tmp_path, monkeypatch):
    """Control plane and outpost of another time, both stopped again."""
    monkeypatch.delenv("OUTPOST_PROVIDER_URL", raising=False)
    stage = Stage(tmp_path)

    def enrolled() -> Stage:
        stage.start_provider()
        stage.init_control_plane()
        stage.serve_control_plane()
        stage.enrol("e2e")
        stage.run_outpost()
        stage.stop("outpost")
        stage.stop("control-plane")
        return stage

    yield enrolled
    stage.close()


def healthy(stage: Stage) -> dict:
    return wait_for(stage, lambda report: report["state"] == "green" and report["sync"]["failing"] == {})


def wait_for(stage: Stage, condition) -> dict:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        report = stage.health()
        if condition(report):
            return report
        assert time.monotonic() < deadline, report
        time.sleep(0.1)


@pytest.mark.e2e
@needs_faketime
@pytest.mark.timeout(180)
def test_an_expired_outpost_recovers_by_itself_and_a_wrong_clock_costs_nothing(enrolled, at):
    at("-8d")
    stage = enrolled()
    at(None)
    stage.serve_control_plane()
    started = time.monotonic()
    stage.run_outpost(until="/healthz")
    report = healthy(stage)
    assert time.monotonic() - started < PATIENCE_S
    recovered = report["identity"]["certificate_sha256"]
    for when, words in [("@1970-01-02 00:00:00", "behind"), ("@2038-01-19 03:14:00", "ahead")]:
        stage.stop("outpost")
        at(when)
        stage.run_outpost(until="/healthz")
        report = wait_for(stage, lambda report: report["identity"]["problem"] is not None)
        assert report["identity"]["problem"]["code"] == "clock_untrusted"
        assert words in report["identity"]["problem"]["message"]
        assert report["ready"] is False
        stage.stop("outpost")
        at(None)
        stage.run_outpost()
        assert healthy(stage)["identity"]["certificate_sha256"] == recovered


@pytest.mark.e2e
@pytest.mark.timeout(120)
def test_an_outpost_that_slept_through_a_rotation_of_the_root_comes_back_by_itself(enrolled):
    stage = enrolled()
    for step in ("--prepare", "--activate", "--retire"):
        stage.control_plane("ca", "rotate", "root", step, "--override", "--reason", "test")
    stage.serve_control_plane()
    stage.run_outpost()
    wait_for(stage, lambda report: report["identity"]["trust_generation"] > 1)
    assert healthy(stage)["identity"]["problem"] is None

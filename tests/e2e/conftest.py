"""Real processes for end-to-end tests: the demo's own stage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from outpost.demo.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Provider, control plane and an enrolled outpost, serving."""
    monkeypatch.delenv("OUTPOST_PROVIDER_URL", raising=False)
    running = Stage(tmp_path)
    try:
        running.start_provider()
        running.init_control_plane()
        running.serve_control_plane()
        running.enrol("e2e")
        running.run_outpost()
        yield running
    finally:
        running.close()

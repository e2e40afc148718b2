"""Where the public evaluation sets and conformance vectors lie: beside the checkout, or in ``OUTPOST_SHARED_DATA``."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("OUTPOST_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def require(name: str) -> Path:
    """The folder or file ``name`` of the shared data; skips the calling test, saying so, where it is absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"shared data set {name} is not here (looked in {ROOT}); set OUTPOST_SHARED_DATA")
    return path

"""Compares bytes with a golden file; ``OUTPOST_TESTS_REWRITE_GOLDEN=1`` writes it instead, for a reviewed change."""

import json
import os
from pathlib import Path

DIRECTORY = Path(__file__).with_name("golden")
REWRITE = "OUTPOST_TESTS_REWRITE_GOLDEN"


def check_golden(name: str, content: bytes) -> None:
    """Fail unless ``golden/<name>.json`` holds exactly ``content`` and a final line end."""
    path = DIRECTORY / f"{name}.json"
    json.loads(content)
    if os.environ.get(REWRITE) == "1":
        path.write_bytes(content + b"\n")
    assert path.read_bytes() == content + b"\n", f"{path.name} differs: the other end would see other bytes"

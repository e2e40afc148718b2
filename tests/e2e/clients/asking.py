"""What every client is asked, and how it reports: one JSON line with its version and a result per case.

Run in a process of its own, at the provider and at an outpost before it; the results must be equal.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from types import ModuleType
from typing import Any

ROOT = os.environ.get("CLIENT_BASE_URL", "")
V1 = f"{ROOT}/v1"
KEY = os.environ.get("CLIENT_API_KEY", "")

SAY = 'SAY:Grüße, 世界 🌍: so twigs grow\n\nand "quotes" too'
USE_THE_TOOL = 'use the tool ARGS:{"city": "Grünstraße"}'
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"name": "weather", "description": "weather", "input_schema": SCHEMA}
IMAGE = (  # one transparent pixel
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def report(module: ModuleType, cases: Mapping[str, Callable[[], Any]], package: str | None = None) -> None:
    """Run the cases and print their results; one that fails says with what."""
    results: dict[str, Any] = {}
    for name, case in cases.items():
        try:
            results[name] = case()
        except Exception as err:  # noqa: BLE001 - whatever a client raises is its result
            results[name] = f"{type(err).__name__}: {err}"
            results.setdefault("failed", []).append(name)
    line = {"version": version(package or module.__name__), "results": results}
    sys.stdout.write(json.dumps(line, default=str) + "\n")

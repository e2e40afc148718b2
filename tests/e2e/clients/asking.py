"""What every client is asked, and how it reports: one JSON line with its version and a result per target and case.

Run in a process of its own, once for all targets: the provider, and an outpost before it. The results must be equal.
"""

import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

SAY = 'SAY:Grüße, 世界 🌍: so twigs grow\n\nand "quotes" too'
SAY_JSON = 'SAY:{"city": "Ulm"}'
USE_THE_TOOL = 'use the tool ARGS:{"city": "Grünstraße"}'
CARD = "my card is 4111 1111 1111 1111"
"""What the outpost's policy refuses."""
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
SLOW, UNKNOWN = "standin-slow", "standin-404"
"""Models of the stand-in provider: one answers after ``SLOW_S``, the other is not there."""
PATIENCE_S = 0.2
ANSWERED = "answered"

Cases = Mapping[str, Callable[[], Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client is pointed. ``root`` is without ``/v1``."""

    root: str
    key: str

    @property
    def v1(self) -> str:
        return f"{self.root}/v1"


def outcome(call: Callable[[], Any]) -> str:
    """What a caller of this client must expect: the name of the exception, or that it was answered."""
    try:
        call()
    except Exception as err:  # noqa: BLE001 - whatever a client raises is its result
        return type(err).__name__
    return ANSWERED


def raised(call: Callable[[], Any]) -> str:
    """The name of the exception; a call that is answered instead has failed."""
    name = outcome(call)
    assert name != ANSWERED
    return name


def first_of(stream: Generator[Any, None, None]) -> Any:
    """The first part of a stream, which is closed then and there.

    Left to the garbage collector, httpcore may wait for its own lock for ever.
    """
    with closing(stream):
        return next(stream)


def report(package: str, cases: Callable[[Target], Cases]) -> None:
    """Run the cases at each target and print their results; one that fails says with what."""
    targets = [Target(**given) for given in json.loads(os.environ["CLIENT_TARGETS"])]
    line = {"version": version(package), "results": [_run(cases(target)) for target in targets]}
    sys.stdout.write(json.dumps(line, default=str) + "\n")


def _run(cases: Cases) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name, case in cases.items():
        try:
            results[name] = case()
        except Exception as err:  # noqa: BLE001 - likewise
            results[name] = f"{type(err).__name__}: {err}"
            results.setdefault("failed", []).append(name)
    return results

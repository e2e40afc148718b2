"""Bring up a real outpost before the benchmark's provider: enrolled, with policy, keys, tier 1 and durable audit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load import Target


class CannotStart(Exception):
    """The outpost could not be brought up; the message says why."""


@contextmanager
def running_outpost(upstream_url: str, directory: Path) -> Iterator[Target]:
    """The outpost, ready, in front of ``upstream_url``; all its files lie under ``directory``.

    Raises:
        CannotStart: A step of the way did not work.
    """
    raise CannotStart(f"no command line yet to run in {directory} before {upstream_url}")
    yield Target("outpost", "", "")

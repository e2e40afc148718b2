"""What each worker has seen of the world outside: how providers answer, and which certificate it shows itself.

Comes with every answer to a pulse and goes with the next one to all, so whom one worker leaves in peace the others do
a second later. What is malformed counts for nothing: health is a hint about whom to ask first, never a permission.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from outpost.models.frames import Message
from outpost.proxy.client_tls import Validity
from outpost.proxy.health import Known, worst


def told_of(known: Sequence[Known], validity: Validity | None) -> Message:
    """As a part of a message."""
    certificate = validity and [validity.not_before_at.isoformat(), validity.not_after_at.isoformat()]
    return {"providers": [one.to_json() for one in known], "certificate": certificate}


def known_from_json(values: Any) -> list[Known]:
    """What a message says of providers."""
    found = []
    for value in values if isinstance(values, list) else []:
        with suppress(ValueError):
            found.append(Known.from_json(value))
    return found


def _validity(values: Any) -> Validity | None:
    try:
        before, after = (datetime.fromisoformat(value) for value in values)
    except (TypeError, ValueError):
        return None
    return None if before.tzinfo is None or after.tzinfo is None else Validity(before, after)


class Outlook:
    """What the living workers have seen."""

    def __init__(self) -> None:
        self._by_worker: dict[object, tuple[list[Known], Validity | None]] = {}

    def update(self, worker: object, answer: Message) -> None:
        """The newest of a living worker."""
        self._by_worker[worker] = known_from_json(answer.get("providers")), _validity(answer.get("certificate"))

    def ended(self, worker: object) -> None:
        """What it saw is past."""
        self._by_worker.pop(worker, None)

    def providers(self) -> list[Known]:
        """Of each provider that failed, and each key, the worst that a worker knows."""
        return worst(known for known, _ in self._by_worker.values())

    def validity(self) -> Validity | None:
        """Of the certificate in use; while workers change to another, of the one that ends first."""
        found: Iterable[Validity | None] = (validity for _, validity in self._by_worker.values())
        return min((one for one in found if one is not None), key=lambda one: one.not_after_at, default=None)

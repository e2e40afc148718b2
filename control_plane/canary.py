"""Canary publications: a few outposts are shown a new bundle first (audience ``canary``), the others go on as before.

Who is a member is fixed when it is published. Whoever has been shown the canary stays with it, for versions never go
down, until it is promoted (everybody is shown it) or rolled forward (everybody is shown the old content under a higher
version). A member that refuses it halts it: nobody else is shown it from then on. Pure rules over stores.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from control_plane.bundles import listed, load_head
from control_plane.errors import CanaryHalted, InvalidRequest, NotFound
from control_plane.release import CANARY, STABLE, Release
from outpost.protocol.ids import is_id

_BUCKETS = 10_000  # a percentage has two decimals


class State(StrEnum):
    """How far a canary is."""

    RUNNING = "running"
    HALTED = "halted"
    PROMOTED = "promoted"
    ROLLED_FORWARD = "rolled_forward"


@dataclass(frozen=True, slots=True)
class Selection:
    """Who is to be shown a canary: a percentage of the org's outposts, or those with a label ``name=value``."""

    percent: float | None = None
    label: tuple[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.percent:g}%" if self.label is None else "=".join(self.label)


@dataclass(frozen=True, slots=True)
class Canary:
    """One canary publication; ``version`` is the snapshot version that it began with."""

    org_id: str
    version: int
    audience: str
    state: State
    created_at: datetime
    changed_at: datetime

    @property
    def active(self) -> bool:
        """True while somebody is shown it as a canary."""
        return self.state in (State.RUNNING, State.HALTED)


@dataclass(frozen=True, slots=True)
class Audiences:
    """Which snapshot each outpost of one org is to be shown."""

    stable: int
    canary: int | None = None
    running: bool = False
    """False: only those that have been shown the canary are shown it."""
    members: Mapping[str, bool] = field(default_factory=dict)
    """By outpost id: whether it has been shown the canary."""

    def of(self, outpost_id: str) -> str:
        """The audience of one outpost."""
        shown = self.members.get(outpost_id)
        if self.canary is None or shown is None:
            return STABLE
        return CANARY if shown or self.running else STABLE

    def version_for(self, outpost_id: str) -> int:
        """The snapshot version that one outpost is to have."""
        return self.canary if self.canary is not None and self.of(outpost_id) == CANARY else self.stable


class CanaryStore(Protocol):
    """What the rules need of a database, inside the caller's transaction."""

    def newest(self, org_id: str) -> Canary | None:
        """The org's newest canary, or None."""
        ...

    def add(self, canary: Canary, members: Iterable[str]) -> None:
        """Store a new canary."""
        ...

    def members(self, canary: Canary) -> dict[str, datetime | None]:
        """By outpost id: when it was first shown the canary."""
        ...

    def change(self, canary: Canary, state: State, at: datetime) -> None:
        """Move it to another state."""
        ...

    def mark_shown(self, canary: Canary, outpost_id: str, at: datetime) -> None:
        """Remember that a member has been shown it."""
        ...

    def labels(self, org_id: str) -> dict[str, dict[str, str]]:
        """By id of each outpost of the org that is not revoked: its labels."""
        ...


def parse_label(text: str) -> tuple[str, str]:
    """``name=value``.

    Raises:
        InvalidRequest: It is not that.
    """
    name, equals, value = text.partition("=")
    if not equals or not is_id(name) or not is_id(value):
        raise InvalidRequest("a label is name=value, each 1-63 characters of a-z, 0-9 and inner hyphens")
    return name, value


def chosen(version: int, labels: Mapping[str, Mapping[str, str]], selection: Selection) -> list[str]:
    """The members: by a hash of version and outpost, so that each canary meets others; or by label."""
    if selection.label is not None:
        name, value = selection.label
        return sorted(outpost_id for outpost_id, own in labels.items() if own.get(name) == value)
    below = round((selection.percent or 0) * _BUCKETS / 100)
    return sorted(outpost_id for outpost_id in labels if _bucket(version, outpost_id) < below)


def active(store: CanaryStore, org_id: str) -> Canary | None:
    """The canary that is under way, if one is."""
    newest = store.newest(org_id)
    return newest if newest is not None and newest.active else None


def begin(store: CanaryStore, org_id: str, version: int, selection: Selection, at: datetime) -> list[str]:
    """Record that ``version`` is a canary; returns its members.

    Raises:
        InvalidRequest: Nobody would be one.
    """
    members = chosen(version, store.labels(org_id), selection)
    if not members:
        raise InvalidRequest(f"no outpost of org {org_id} would be a member ({selection}); nothing was published")
    store.add(Canary(org_id, version, str(selection), State.RUNNING, at, at), members)
    return members


def promote(release: Release, store: CanaryStore, at: datetime, *, override: bool = False) -> tuple[Canary, int]:
    """Show the canary to everybody; returns it and the snapshot version.

    Raises:
        NotFound: None is under way.
        CanaryHalted: A member has refused it, and nobody overrides that.
        VersionTaken: Another process published meanwhile.
    """
    canary = _require_active(store, release.org_id)
    head = load_head(release.store, release.org_id, CANARY)
    if head is None:
        raise NotFound("the database has lost the canary; restore it from a backup")
    if canary.state is State.HALTED and not override:
        raise CanaryHalted("a member has refused the canary: see `control-plane policy canary`; --override promotes it")
    release.vouch(STABLE, head.snapshot)
    release.forget(CANARY)
    release.publish()
    store.change(canary, State.PROMOTED, at)
    return canary, head.versions.snapshot


def roll_forward(release: Release, store: CanaryStore, at: datetime) -> int:
    """Show everybody what all but the canary's members have, under a higher version; returns it.

    Raises:
        NotFound: No canary is under way.
        ThresholdNotHeld: Officers have to sign that.
        VersionTaken: Another process published meanwhile.
    """
    canary = _require_active(store, release.org_id)
    head = load_head(release.store, release.org_id, STABLE)
    if head is None:
        raise NotFound(f"org {release.org_id} has published nothing")
    targets = release.new_targets(listed(head.documents, head.delegations), head.delegations)
    version = release.show(STABLE, targets, head.keys)
    release.forget(CANARY)
    release.publish()
    store.change(canary, State.ROLLED_FORWARD, at)
    return version


def halt(store: CanaryStore, org_id: str, outpost_id: str, refused_version: int, at: datetime) -> bool:
    """Halt the canary if it is what this outpost refused; True if that is news."""
    canary = active(store, org_id)
    if canary is None or canary.state is not State.RUNNING or refused_version < canary.version:
        return False
    if store.members(canary).get(outpost_id) is None:
        return False
    store.change(canary, State.HALTED, at)
    return True


def _require_active(store: CanaryStore, org_id: str) -> Canary:
    canary = active(store, org_id)
    if canary is None:
        raise NotFound(f"no canary is under way for org {org_id}")
    return canary


def _bucket(version: int, outpost_id: str) -> int:
    return int.from_bytes(sha256(f"{version}:{outpost_id}".encode()).digest()) % _BUCKETS

"""The outpost's own client against a repository of the control plane's rules, without a network between."""

from datetime import datetime
from pathlib import Path

from control_plane import bundles
from control_plane.errors import NotFound
from control_plane.release import BundleStore
from outpost.cache.bundles import StoredBundle
from outpost.cache.db import open_database
from outpost.cache.trusted import TrustedStore
from outpost.policy.bundle import load_bundle
from outpost.sync.refresh import refresh


class OwnClient:
    """One outpost: what it trusts is in ``folder``; ``read`` is a round of its synchronisation."""

    def __init__(self, store: BundleStore, org_id: str, folder: Path) -> None:
        root = store.metadata(org_id, "root", 1)
        assert root is not None
        self._store, self._org_id, self._root, self._path = store, org_id, root, folder / "outpost.db"
        self._current: StoredBundle | None = None

    async def fetch_metadata(self, filename: str, max_bytes: int) -> bytes | None:
        try:
            return bundles.metadata_by_filename(self._store, self._org_id, filename)[:max_bytes]
        except NotFound:
            return None

    async def fetch_target(self, filename: str, max_bytes: int) -> bytes:
        return bundles.target_by_filename(self._store, self._org_id, filename)[:max_bytes]

    async def read(self, at: datetime) -> dict[str, bytes]:
        """The documents that it has after asking for news, verified once more from the enrolment's root."""
        with open_database(self._path) as database:
            news = await refresh(self, self._root, TrustedStore(database), self._current, at)
        self._current = news or self._current
        assert self._current is not None
        stored = self._current
        load_bundle(
            self._root,
            roots=stored.roots,
            timestamp=stored.timestamp,
            snapshot=stored.snapshot,
            targets=stored.targets,
            documents=stored.documents,
            delegated=stored.delegated,
        )
        return dict(stored.documents)

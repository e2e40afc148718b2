"""What an audience is shown, read from the database when it is asked for and not before.

A model pack or a list has megabytes, and most of what is done to a head (is anything due? sign a new timestamp) needs
none of them. Only good within the transaction of its store.
"""

from collections.abc import Iterator, Mapping

from control_plane.errors import NotFound
from control_plane.release import BundleStore


class StoredDocuments(Mapping[str, bytes]):
    """Contents by name, each read once."""

    def __init__(self, store: BundleStore, org_id: str, digests: Mapping[str, str]) -> None:
        """``digests``: SHA-256 in hex by name."""
        self._store = store
        self._org_id = org_id
        self._digests = dict(digests)
        self._read: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        """The content.

        Raises:
            NotFound: The database has lost it.
        """
        found = self._read.get(name)
        if found is None:
            found = self._store.target(self._org_id, name, self._digests[name])
            if found is None:
                raise NotFound(f"the database has lost target {name} of org {self._org_id}; restore it from a backup")
            self._read[name] = found
        return found

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._digests)

    def __len__(self) -> int:
        """How many."""
        return len(self._digests)

"""The keys of one org's bundle repository that this control plane holds: ``<role>.key``, and ``<role>.next.key``.

A rotation writes the next key, publishes metadata that names it, and only then lets it take the old one's place. So
whatever moment it is cut off at, every key that published metadata names is still here (``RoleSigners.holding`` looks
by key id, not by file name).
"""

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from securesystemslib.signer import CryptoSigner, Signer  # type: ignore[attr-defined]  # re-exported without __all__

from control_plane.errors import KeysUnsafe
from control_plane.key_files import load_ed25519, new_ed25519_pem
from control_plane.signing import ROLES, RoleSigners
from pki.files import make_private_dir, write_private

_ALWAYS_HELD = ("snapshot", "timestamp")  # signed on schedule; the others may be officers', or not be there yet


class OrgKeys:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> RoleSigners:
        """All of them.

        Raises:
            KeysUnsafe: One is missing that is always needed, damaged or open to others.
        """
        root, targets, snapshot, timestamp, keys = (
            self._load(self._path(role), must=role in _ALWAYS_HELD) for role in ROLES
        )
        following = (self._load(self._next_path(role), must=False) for role in ROLES)
        others = tuple(signer for signer in following if signer is not None)
        return RoleSigners(root, targets, snapshot, timestamp, keys, others)

    def complete(self, roles: Iterable[str]) -> None:
        """Make those of the keys that are missing; none is ever replaced."""
        make_private_dir(self._folder)
        for role in roles:
            if not self._path(role).exists():
                write_private(self._path(role), new_ed25519_pem())

    def following(self, role: str) -> Signer:
        """The key that is to replace the role's: one that is waiting already, or a new one, on disk before it is used.

        Raises:
            KeysUnsafe: The one that is waiting is damaged or open to others.
        """
        if not self._next_path(role).exists():
            write_private(self._next_path(role), new_ed25519_pem())
        signer = self._load(self._next_path(role), must=True)
        if signer is None:
            raise KeysUnsafe(f"{self._next_path(role)}: it disappeared")
        return signer

    def settle(self, named: Collection[str]) -> None:
        """Let each next key that published metadata names take its place; what it replaces is gone for good."""
        for role in ROLES:
            signer = self._load(self._next_path(role), must=False)
            if signer is not None and signer.public_key.keyid in named:
                self._next_path(role).replace(self._path(role))
                self._sync()

    def destroy(self, role: str) -> None:
        """Delete the role's keys: they are others' from now on."""
        for path in (self._path(role), self._next_path(role)):
            path.unlink(missing_ok=True)
        self._sync()

    def _path(self, role: str) -> Path:
        return self._folder / f"{role}.key"

    def _next_path(self, role: str) -> Path:
        return self._folder / f"{role}.next.key"

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _load(self, path: Path, *, must: bool) -> Signer | None:
        return CryptoSigner(load_ed25519(path)) if must or path.exists() else None

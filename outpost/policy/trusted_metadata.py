"""TUF's trust decisions as a small state machine: bytes in, verified metadata or a typed refusal out.

Guarantees, whatever bytes come and from whom:

* a root is accepted only if it is the next version, signed by a threshold of the old *and* of the new keys;
* timestamp, snapshot and targets are accepted only in this order, each signed by a threshold of the keys its
  delegator names, each of exactly the version (and hash and length, where stated) that its parent names;
* no version ever goes down, no file ever disappears from a snapshot.

Numbers in comments are steps of the TUF specification 1.0, section 5 (client workflow). Not here on purpose:
fetching, storing and length limits of downloads (``outpost/sync/refresh.py``), and expiry, which is asked
separately (``check_expiry``) because a cached bundle past its expiry is still enforced (docs/adr/0003).
"""

from datetime import datetime
from typing import TypeVar

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError, SerializationError

from outpost.errors import BundleRejected
from outpost.protocol.messages import MAX_INTEGER

Signed = TypeVar("Signed", Root, Timestamp, Snapshot, Targets)


class MetadataInvalid(BundleRejected):
    """Not metadata of the expected role, or not what its parent says it is."""


class MetadataUnsigned(BundleRejected):
    """Fewer valid signatures than the delegating role demands."""


class MetadataRollback(BundleRejected):
    """An older version than one already trusted."""


class MetadataExpired(BundleRejected):
    """Past its own expiry. ``role`` and ``expired_at`` say which and since when."""

    def __init__(self, role: str, expired_at: datetime) -> None:
        super().__init__(f"{role} metadata expired at {expired_at:%Y-%m-%dT%H:%M:%SZ}")
        self.role = role
        self.expired_at = expired_at


class TrustedMetadata:
    """The trusted top-level metadata of one repository, extended one verified file at a time.

    Every ``update_*`` either accepts the whole file or raises and leaves the state as it was. Calling them
    out of order is a bug of the caller (``RuntimeError``), never a repository's fault.
    """

    def __init__(self, trusted_root: bytes) -> None:
        """Start from a root that is trusted already; it must still be validly self-signed.

        Raises:
            MetadataInvalid, MetadataUnsigned: It is not such a root.
        """
        metadata = _parse(trusted_root, Root)
        _verify(metadata.signed, metadata, Root.type)
        self._root: Root = metadata.signed
        self._timestamp: Timestamp | None = None
        self._snapshot: Snapshot | None = None
        self._targets: Targets | None = None

    @property
    def root(self) -> Root:
        """The newest trusted root."""
        return self._root

    @property
    def timestamp(self) -> Timestamp | None:
        """The newest trusted timestamp."""
        return self._timestamp

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest trusted snapshot."""
        return self._snapshot

    @property
    def targets(self) -> Targets | None:
        """The newest trusted top-level targets."""
        return self._targets

    @property
    def complete(self) -> bool:
        """True if timestamp, snapshot and targets are all there and each is the one its parent names now."""
        return (
            self._timestamp is not None
            and self._snapshot is not None
            and self._targets is not None
            and self._snapshot.version == self._timestamp.snapshot_meta.version
            and self._targets.version == self._snapshot.meta["targets.json"].version
        )

    def update_root(self, data: bytes) -> Root:
        """Accept the next root.

        Raises:
            MetadataInvalid, MetadataUnsigned, MetadataRollback: Refused; the state is unchanged.
        """
        if self._timestamp is not None:
            raise RuntimeError("roots come before the timestamp")
        metadata = _parse(data, Root)
        _verify(self._root, metadata, Root.type)  # 5.3.4, the old keys
        new = metadata.signed
        if new.version <= self._root.version:
            raise MetadataRollback(f"root version {new.version} is not above the trusted {self._root.version}")
        if new.version != self._root.version + 1:  # 5.3.5
            raise MetadataInvalid(f"root version {new.version} does not follow the trusted {self._root.version}")
        _verify(new, metadata, Root.type)  # 5.3.4, the new keys
        # 5.3.7: the expiry of an intermediate root does not matter; check_expiry asks the last one (5.3.10).
        self._root = new
        return new

    def update_timestamp(self, data: bytes) -> Timestamp:
        """Accept a timestamp at least as new as the trusted one. An equal version changes nothing (5.4.3.1).

        Raises:
            MetadataInvalid, MetadataUnsigned, MetadataRollback: Refused; the state is unchanged.
        """
        metadata = _parse(data, Timestamp)
        _verify(self._root, metadata, Timestamp.type)  # 5.4.2
        new = metadata.signed
        trusted = self._timestamp
        if trusted is not None:
            if new.version < trusted.version:  # 5.4.3.1
                raise MetadataRollback(f"timestamp version {new.version} is below the trusted {trusted.version}")
            if new.version == trusted.version:
                return trusted
            if new.snapshot_meta.version < trusted.snapshot_meta.version:  # 5.4.3.2
                raise MetadataRollback(
                    f"timestamp names snapshot version {new.snapshot_meta.version}, below the trusted "
                    f"{trusted.snapshot_meta.version}",
                )
        self._timestamp = new
        return new

    def update_snapshot(self, data: bytes) -> Snapshot:
        """Accept the snapshot that the trusted timestamp names.

        Raises:
            MetadataInvalid, MetadataUnsigned, MetadataRollback: Refused; the state is unchanged.
        """
        if self._timestamp is None:
            raise RuntimeError("the timestamp comes before the snapshot")
        expected = self._timestamp.snapshot_meta
        _check_file(expected, data, Snapshot.type)  # 5.5.2
        metadata = _parse(data, Snapshot)
        _verify(self._root, metadata, Snapshot.type)  # 5.5.3
        new = metadata.signed
        if new.version != expected.version:  # 5.5.4
            raise MetadataInvalid(f"snapshot version {new.version} is not the {expected.version} its timestamp names")
        if self._snapshot is not None:
            for filename, trusted in self._snapshot.meta.items():  # 5.5.5
                meta = new.meta.get(filename)
                if meta is None:
                    raise MetadataInvalid(f"snapshot no longer lists {filename}")
                if meta.version < trusted.version:
                    raise MetadataRollback(f"snapshot lists {filename} version {meta.version}, below {trusted.version}")
        self._snapshot = new
        return new

    def update_targets(self, data: bytes) -> Targets:
        """Accept the top-level targets that the trusted snapshot names.

        Raises:
            MetadataInvalid, MetadataUnsigned: Refused; the state is unchanged.
        """
        if self._timestamp is None or self._snapshot is None:
            raise RuntimeError("the snapshot comes before the targets")
        if self._snapshot.version != self._timestamp.snapshot_meta.version:
            raise RuntimeError("a newer timestamp is followed by its snapshot")
        expected = self._snapshot.meta.get("targets.json")
        if expected is None:
            raise MetadataInvalid("snapshot does not list targets.json")
        _check_file(expected, data, Targets.type)  # 5.6.2
        metadata = _parse(data, Targets)
        _verify(self._root, metadata, Targets.type)  # 5.6.3
        new = metadata.signed
        if new.version != expected.version:  # 5.6.4
            raise MetadataInvalid(f"targets version {new.version} is not the {expected.version} its snapshot names")
        self._targets = new
        return new

    def check_expiry(self, at: datetime) -> None:
        """Refuse if any trusted role is past its own expiry (5.3.10, 5.4.4, 5.5.6, 5.6.5).

        Raises:
            MetadataExpired: The first expired role, from the root down.
        """
        for signed in (self._root, self._timestamp, self._snapshot, self._targets):
            if signed is not None and signed.is_expired(at):
                raise MetadataExpired(signed.type, signed.expires)


def check_target(target: TargetFile, data: bytes) -> None:
    """Compare a target's content with the length and hashes that the trusted targets state (5.7.2).

    Raises:
        MetadataInvalid: They differ, or the targets state no SHA-256.
    """
    if "sha256" not in target.hashes:  # other algorithms may be stated beside it, weak ones alone prove nothing
        raise MetadataInvalid(f"target {target.path} has no SHA-256")
    try:
        target.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as err:
        raise MetadataInvalid(f"target {target.path} does not match its length and hashes") from err


def _parse(data: bytes, role: type[Signed]) -> Metadata[Signed]:
    try:
        metadata = Metadata[Signed].from_bytes(data)
        _ = metadata.signed_bytes  # what has no canonical form (a fraction, half a surrogate pair) was never signed
    except (DeserializationError, SerializationError, RecursionError) as err:
        raise MetadataInvalid(f"not {role.type} metadata: cannot be parsed") from err
    if not isinstance(metadata.signed, role):
        raise MetadataInvalid(f"not {role.type} metadata: it says it is {metadata.signed.type}")
    version = metadata.signed.version
    if isinstance(version, bool) or version > MAX_INTEGER:  # it is reported and audited, as a JSON integer
        raise MetadataInvalid(f"not {role.type} metadata: its version is out of range")
    return metadata


def _verify(delegator: Root, metadata: Metadata[Signed], role: str) -> None:
    refusal = f"{role} metadata is not signed by the threshold of keys of root {delegator.version}"
    try:
        result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    except ValueError as err:
        raise MetadataUnsigned(refusal) from err
    # The library counts key ids; one key under two of them is still one (specification 4.2, "unique").
    keys = {"".join(key.keyval["public"].split()).lower() for key in result.signed.values()}
    if len(keys) < result.threshold:
        raise MetadataUnsigned(refusal)


def _check_file(expected: MetaFile, data: bytes, role: str) -> None:
    try:
        expected.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as err:
        raise MetadataInvalid(f"{role} metadata does not match the length and hashes its parent states") from err

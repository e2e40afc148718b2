"""TUF's trust decisions as a small state machine: bytes in, verified metadata or a typed refusal out.

Guarantees, whatever bytes come and from whom:

* a root is accepted only if it is the next version, signed by a threshold of the old *and* of the new keys;
* timestamp, snapshot and targets are accepted only in this order, each signed by a threshold of the keys its
  delegator names, each of exactly the version (and hash and length, where stated) that its parent names;
* a delegated role is accepted for the delegator that leads to it now: who vouched for it before does not count;
* no version ever goes down, no file ever disappears from a snapshot.

Numbers in comments are steps of the TUF specification 1.0, section 5 (client workflow). Not here on purpose: the
order of asking and the limits (``workflow.py``), fetching and storing (whoever drives that), and expiry, which is
asked separately because a cached bundle past its expiry is still enforced (docs/adr/0003).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, SSlibKey  # type: ignore[attr-defined]  # no __all__
from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import Key, Metadata, MetaFile, Root, Signature, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError, SerializationError

from outpost.errors import BundleRejected
from outpost.protocol.messages import MAX_INTEGER

Signed = TypeVar("Signed", Root, Timestamp, Snapshot, Targets)

TARGETS: Final = "targets"
"""The top-level targets role, from which every search for a target starts."""
STRONG_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
"""FIPS 180-4. One of them must be stated for a target; weaker ones beside it are checked too."""


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
    """The trusted metadata of one repository, extended one verified file at a time.

    Every ``update_*`` either accepts the whole file or raises and leaves the state as it was. Calling them
    out of order is a bug of the caller (``RuntimeError``), never a repository's fault.
    """

    def __init__(self, trusted_root: bytes) -> None:
        """Start from a root that is trusted already; it must still be validly self-signed (5.2).

        Raises:
            MetadataInvalid, MetadataUnsigned: It is not such a root.
        """
        file = _parse(trusted_root, Root)
        _verify(file.signed, file, Root.type)
        self._root: Root = file.signed
        self._timestamp: Timestamp | None = None
        self._floor: Snapshot | None = None
        self._snapshot: Snapshot | None = None
        self._targets: Targets | None = None
        self._delegated: dict[str, Targets] = {}

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

    @property
    def delegated(self) -> Mapping[str, Targets]:
        """The delegated roles verified since the last ``forget_delegated``, by name."""
        return MappingProxyType(self._delegated)

    def forget_delegated(self) -> None:
        """Start a search for a target: each role on its way is verified anew, for the delegator that leads to it."""
        self._delegated.clear()

    def update_root(self, data: bytes) -> Root:
        """Accept the next root.

        Raises:
            MetadataInvalid, MetadataUnsigned, MetadataRollback: Refused; the state is unchanged.
        """
        if self._timestamp is not None:
            raise RuntimeError("roots come before the timestamp")
        file = _parse(data, Root)
        _verify(self._root, file, Root.type)  # 5.3.4, the old keys
        new = file.signed
        if new.version <= self._root.version:
            raise MetadataRollback(f"root version {new.version} is not above the trusted {self._root.version}")
        if new.version != self._root.version + 1:  # 5.3.5
            raise MetadataInvalid(f"root version {new.version} does not follow the trusted {self._root.version}")
        _verify(new, file, Root.type)  # 5.3.4, the new keys
        # 5.3.6: the expiry of an intermediate root does not matter; the workflow asks the last one (5.3.10).
        self._root = new
        return new

    def recall_snapshot(self, data: bytes) -> Snapshot:
        """Take a snapshot that was trusted once as the floor below which nothing may go, whatever became of the rest.

        It is compared with no timestamp: an older one than is current now is still a floor. It is not ``snapshot``.

        Raises:
            MetadataInvalid, MetadataUnsigned: Not signed by today's keys; there is no floor (5.3.11).
        """
        file = _parse(data, Snapshot)
        _verify(self._root, file, Snapshot.type)
        self._floor = file.signed
        return file.signed

    def update_timestamp(self, data: bytes) -> Timestamp:
        """Accept a timestamp at least as new as the trusted one. An equal version changes nothing (5.4.3.1).

        Raises:
            MetadataInvalid, MetadataUnsigned, MetadataRollback: Refused; the state is unchanged.
        """
        file = _parse(data, Timestamp)
        _verify(self._root, file, Timestamp.type)  # 5.4.2
        new = file.signed
        trusted = self._timestamp
        named = new.snapshot_meta.version
        if trusted is not None:
            if new.version < trusted.version:  # 5.4.3.1
                raise MetadataRollback(f"timestamp version {new.version} is below the trusted {trusted.version}")
            if new.version == trusted.version:
                return trusted
            if named < trusted.snapshot_meta.version:  # 5.4.3.2
                raise MetadataRollback(
                    f"timestamp names snapshot version {named}, below the trusted {trusted.snapshot_meta.version}",
                )
        if self._floor is not None and named < self._floor.version:  # the same, had the timestamp been lost
            raise MetadataRollback(f"timestamp names snapshot version {named}, below the trusted {self._floor.version}")
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
        file = _parse(data, Snapshot)
        _verify(self._root, file, Snapshot.type)  # 5.5.3
        new = file.signed
        if new.version != expected.version:  # 5.5.4
            raise MetadataInvalid(f"snapshot version {new.version} is not the {expected.version} its timestamp names")
        floor = self._snapshot or self._floor
        for filename, trusted in floor.meta.items() if floor else ():  # 5.5.5
            meta = new.meta.get(filename)
            if meta is None:
                raise MetadataInvalid(f"snapshot no longer lists {filename}")
            if meta.version < trusted.version:
                raise MetadataRollback(f"snapshot lists {filename} version {meta.version}, below {trusted.version}")
        self._snapshot = new
        self._delegated.clear()
        return new

    def update_targets(self, data: bytes) -> Targets:
        """Accept the top-level targets that the trusted snapshot names.

        Raises:
            MetadataInvalid, MetadataUnsigned: Refused; the state is unchanged.
        """
        self._targets = self._listed_targets(TARGETS, self._root, data)
        self._delegated.clear()  # what the former targets delegated says nothing about these
        return self._targets

    def update_delegated_targets(self, role: str, delegator: str, data: bytes) -> Targets:
        """Accept a delegated role that the trusted snapshot names, signed as ``delegator`` demands today.

        Args:
            role: The delegated role's name.
            delegator: The role that delegates to it; its targets are among the trusted ones already.
            data: The metadata as received.

        Raises:
            MetadataInvalid, MetadataUnsigned: Refused; the state is unchanged.
        """
        from_role = self._targets if delegator == TARGETS else self._delegated.get(delegator)
        if from_role is None:
            raise RuntimeError("a delegator comes before the roles it delegates to")
        new = self._listed_targets(role, from_role, data)
        self._delegated[role] = new
        return new

    def check_expiry(self, at: datetime) -> None:
        """Refuse if any trusted role is past its own expiry (5.3.10, 5.4.4, 5.5.6, 5.6.5).

        Raises:
            MetadataExpired: The first expired role, from the root down.
        """
        for signed in (self._root, self._timestamp, self._snapshot, self._targets):
            if signed is not None:
                require_unexpired(signed.type, signed, at)
        for role, targets in self._delegated.items():
            require_unexpired(role, targets, at)

    def _listed_targets(self, role: str, delegator: Root | Targets, data: bytes) -> Targets:
        if self._timestamp is None or self._snapshot is None:
            raise RuntimeError("the snapshot comes before the targets")
        if self._snapshot.version != self._timestamp.snapshot_meta.version:
            raise RuntimeError("a newer timestamp is followed by its snapshot")
        expected = self._snapshot.meta.get(f"{role}.json")
        if expected is None:
            raise MetadataInvalid(f"snapshot does not list {role}.json")
        _check_file(expected, data, role)  # 5.6.2
        file = _parse(data, Targets)
        _verify(delegator, file, role)  # 5.6.3
        new = file.signed
        if new.version != expected.version:  # 5.6.4
            raise MetadataInvalid(f"{role} version {new.version} is not the {expected.version} its snapshot names")
        return new


def require_unexpired(role: str, signed: Root | Timestamp | Snapshot | Targets, at: datetime | None) -> None:
    """Refuse metadata that is past its own expiry at ``at`` (aware UTC); None refuses nothing.

    Raises:
        MetadataExpired: It is.
    """
    if at is not None and signed.is_expired(at):
        raise MetadataExpired(role, signed.expires)


def online_keys_rotated(old: Root, new: Root) -> bool:
    """True if a key that spoke for timestamp or snapshot in ``old`` no longer does in ``new`` (5.3.11).

    A key that is only added takes nothing back, so what the others signed stays a floor.
    """
    return any(not _public_keys(old, role) <= _public_keys(new, role) for role in (Timestamp.type, Snapshot.type))


def check_target(target: TargetFile, data: bytes) -> None:
    """Compare a target's content with the length and hashes that the trusted targets state (5.7.3).

    Raises:
        MetadataInvalid: They differ, or the targets state no hash that proves anything.
    """
    if STRONG_HASHES.isdisjoint(target.hashes):
        raise MetadataInvalid(f"target {target.path} has none of {', '.join(sorted(STRONG_HASHES))}")
    try:
        target.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as err:
        raise MetadataInvalid(f"target {target.path} does not match its length and hashes") from err


_UNREADABLE: Final = (
    ValueError,
    KeyError,
    TypeError,
    RecursionError,
    FormatError,
    DeserializationError,
    SerializationError,
)


@dataclass(frozen=True, slots=True)
class _File(Generic[Signed]):
    """What a metadata file says, the bytes that were signed, and who signed them."""

    signed: Signed
    payload: bytes
    signatures: dict[str, Signature]


def _parse(data: bytes, role: type[Signed]) -> _File[Signed]:
    try:
        document = json.loads(data, object_pairs_hook=_unique_names)
        # What has no canonical form (a fraction, half a surrogate pair) was never signed.
        payload = _canonical(document["signed"])
        dropped = _drop_unusable_keys(document["signed"])
        metadata = Metadata[Signed].from_bytes(json.dumps(document).encode() if dropped else data)
        # The library takes some values for others (no version for the first): what it read must be what was signed.
        same = metadata.signed_bytes == (_canonical(document["signed"]) if dropped else payload)
    except _UNREADABLE as err:
        raise MetadataInvalid(f"not {role.type} metadata: cannot be parsed") from err
    if not same:
        raise MetadataInvalid(f"not {role.type} metadata: a value is not of its type")
    if not isinstance(metadata.signed, role):
        raise MetadataInvalid(f"not {role.type} metadata: it says it is {metadata.signed.type}")
    version = metadata.signed.version
    if isinstance(version, bool) or version > MAX_INTEGER:  # it is reported and audited, as a JSON integer
        raise MetadataInvalid(f"not {role.type} metadata: its version is out of range")
    return _File(metadata.signed, payload, metadata.signatures)


def _canonical(signed: Any) -> bytes:
    return (encode_canonical(signed) or "").encode()


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice, two readers could take different values (RFC 8259 §4)."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return members


def _drop_unusable_keys(signed: Any) -> bool:
    """Leave out keys of a type or scheme that this version cannot verify; True if there were any.

    They sign nothing here, and need not: the threshold is reached with the others or not at all (specification 4.2,
    key types are an open list). The library would refuse the whole file.
    """
    dropped = False
    for holder in (signed, signed.get("delegations")) if isinstance(signed, dict) else ():
        keys = holder.get("keys") if isinstance(holder, dict) else None
        if not isinstance(keys, dict):
            continue
        for keyid in [keyid for keyid, key in keys.items() if not _is_usable(keyid, key)]:
            del keys[keyid]
            dropped = True
    return dropped


def _is_usable(keyid: str, key: Any) -> bool:
    try:
        if KEY_FOR_TYPE_AND_SCHEME.get((key["keytype"], key["scheme"])) is not SSlibKey:
            return False
        _public_bytes(Key.from_dict(keyid, dict(key)))
    except (KeyError, TypeError, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _public_bytes(key: Key) -> bytes:
    """What makes a key this key, however it is spelt."""
    public = key.keyval["public"]
    if "-----BEGIN" not in public:
        return bytes.fromhex(public)
    return load_pem_public_key(public.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_keys(root: Root, role: str) -> set[bytes]:
    return {_public_bytes(root.keys[keyid]) for keyid in root.roles[role].keyids if keyid in root.keys}


def _verify(delegator: Root | Targets, file: _File[Signed], role: str) -> None:
    of_root = f" of root {delegator.version}" if isinstance(delegator, Root) else " of its delegator"
    refusal = f"{role} metadata is not signed by the threshold of keys{of_root}"
    try:
        result = delegator.get_verification_result(role, file.payload, file.signatures)
    except ValueError as err:
        raise MetadataUnsigned(refusal) from err
    # The library counts key ids; one key under two of them is still one (specification 4.2, "unique").
    if len({_public_bytes(key) for key in result.signed.values()}) < result.threshold:
        raise MetadataUnsigned(refusal)


def _check_file(expected: MetaFile, data: bytes, role: str) -> None:
    try:
        expected.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as err:
        raise MetadataInvalid(f"{role} metadata does not match the length and hashes its parent states") from err

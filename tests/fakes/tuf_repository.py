"""A TUF repository that can misbehave: real Ed25519 keys, every version, key, expiry and hash open to a test's will.

``Repository()`` holds one key per role and makes good metadata; keyword arguments make one thing bad at a time.
``signers`` says who signs, ``forget`` leaves nothing else changed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from outpost.policy.bundle import SIGNED_AT_FIELD
from tests.fakes.clock import NOON

ROLES = ("root", "timestamp", "snapshot", "targets")
new_signer = CryptoSigner.generate_ed25519
EXPIRES = NOON + timedelta(days=30)


def signed(part, signers: Sequence[CryptoSigner]) -> bytes:
    """Metadata with a signature of each signer."""
    metadata = Metadata(part)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def resigned(data: bytes, signers: Sequence[CryptoSigner], **changes: Any) -> bytes:
    """``data`` with fields of its signed part replaced (unchecked: any JSON goes), signed anew."""
    from securesystemslib.formats import encode_canonical  # noqa: PLC0415 - only here

    document = json.loads(data)
    document["signed"] |= changes
    try:
        payload = encode_canonical(document["signed"]).encode()
    except Exception:  # noqa: BLE001 - it has no canonical form: then nothing can be signed either
        payload = b""
    document["signatures"] = [
        {"keyid": signer.public_key.keyid, "sig": signer.sign(payload).signature} for signer in signers
    ]
    return json.dumps(document).encode()


@dataclass
class Repository:
    """See the module docstring."""

    signers: dict[str, list[CryptoSigner]] = field(default_factory=lambda: {role: [new_signer()] for role in ROLES})
    thresholds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 1))

    def root(self, version: int = 1, *, expires: datetime = EXPIRES, signers=None) -> bytes:
        """Root metadata naming the current keys."""
        keys = {signer.public_key.keyid: signer.public_key for group in self.signers.values() for signer in group}
        roles = {
            role: Role([signer.public_key.keyid for signer in group], self.thresholds[role])
            for role, group in self.signers.items()
        }
        root = Root(version=version, expires=expires, keys=keys, roles=roles, consistent_snapshot=True)
        return signed(root, signers or self.signers["root"])

    def timestamp(
        self,
        version: int,
        snapshot: bytes,
        *,
        names: int | None = None,
        expires: datetime = EXPIRES,
        signed_at: object = "2026-06-01T12:00:00Z",
        signers=None,
    ) -> bytes:
        """Timestamp metadata for ``snapshot``; ``names`` states another snapshot version than its own."""
        stated = json.loads(snapshot)["signed"]["version"] if names is None else names
        extra = {} if signed_at is None else {SIGNED_AT_FIELD: signed_at}
        meta = MetaFile.from_data(stated, snapshot, ["sha256"])
        part = Timestamp(version=version, expires=expires, snapshot_meta=meta, unrecognized_fields=extra)
        return signed(part, signers or self.signers["timestamp"])

    def snapshot(
        self,
        version: int,
        targets: bytes | None,
        *,
        names: int | None = None,
        others: dict[str, int] | None = None,
        expires: datetime = EXPIRES,
        signers=None,
    ) -> bytes:
        """Snapshot metadata listing ``targets`` and, by version alone, ``others``."""
        meta = {name: MetaFile(number) for name, number in (others or {}).items()}
        if targets is not None:
            stated = json.loads(targets)["signed"]["version"] if names is None else names
            meta["targets.json"] = MetaFile.from_data(stated, targets, ["sha256"])
        part = Snapshot(version=version, expires=expires, meta=meta)
        return signed(part, signers or self.signers["snapshot"])

    def targets(
        self,
        version: int,
        documents: dict[str, bytes] | None = None,
        *,
        hashes: Sequence[str] = ("sha256",),
        delegations: Delegations | None = None,
        expires: datetime = EXPIRES,
        signers=None,
    ) -> bytes:
        """Targets metadata over ``documents``, delegating as ``delegations`` say."""
        files = {name: TargetFile.from_data(name, data, list(hashes)) for name, data in (documents or {}).items()}
        part = Targets(version=version, expires=expires, targets=files, delegations=delegations)
        return signed(part, signers or self.signers["targets"])

    def delegation(self, role: str, signers: Sequence[CryptoSigner], *, paths: Sequence[str] = ("*",)) -> Delegations:
        """One terminating delegation of ``paths`` to ``role``, all of whose ``signers`` must sign."""
        keys = {signer.public_key.keyid: signer.public_key for signer in signers}
        return Delegations(
            keys, {role: DelegatedRole(role, list(keys), len(keys), terminating=True, paths=list(paths))}
        )

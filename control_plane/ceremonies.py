"""What needs the root's key or moves trust: rotations, the root's revocation list, bringing the root in and out.

Each step is one write transaction together with its event. Keys are written before the record that names them, so a
crash leaves at most a file that nothing names. Rules are in ``rotation``; this file feeds them and acts.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection

from control_plane import rotation
from control_plane.authorities import AuthorityRecord, Kind, State, TrustState, presented_chain
from control_plane.authority_keys import AuthorityKeys
from control_plane.errors import InvalidRequest, KeysUnsafe, RotationRefused
from control_plane.events import IdentityEvent
from control_plane.issuance import StoredCrl, current_crl, root_crl_is_due, sign_root_crl
from control_plane.keyring import DataDir, Keyring, at_state
from control_plane.operations import Operations
from control_plane.root_key import (
    BroughtKey,
    export_root,
    import_root,
    is_online,
    numbered,
    remove_root,
    root_authority,
    write_export,
)
from control_plane.rotation import Member, Phase, Step
from control_plane.store.authorities import SqlAuthorityStore
from control_plane.store.events import SqlEventStore
from control_plane.store.outposts import SqlCrlStore, SqlRegistryStore
from pki.authority import Authority, create_intermediate, create_root
from pki.errors import PkiError
from pki.files import write_private, write_public
from pki.keys import generate_private_key, private_key_to_pem
from pki.pem import certificates_to_pem
from pki.signer import LocalSigner, Signer


@dataclass(frozen=True, slots=True)
class RotationStatus:
    """Where a rotation stands and who has confirmed its next step."""

    phase: Phase
    kind: Kind | None
    generation: int
    authorities: tuple[AuthorityRecord, ...]
    next_step: Step | None
    confirmed: tuple[str, ...]
    unconfirmed: tuple[str, ...]
    """Live outposts that the next step waits for."""
    offline: tuple[str, ...]
    """Not heard of lately; they come back by themselves and are not waited for."""


class Ceremonies:
    """Over the operations of an opened installation. ``heartbeat_interval_s`` says when an outpost counts as live."""

    def __init__(
        self,
        operations: Operations,
        heartbeat_interval_s: int,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._operations = operations
        self._live_within = timedelta(seconds=rotation.LIVE_INTERVALS * heartbeat_interval_s)
        self._random_bytes = random_bytes

    def prepare(
        self, kind: Kind, brought: BroughtKey | None = None, new_root_export: BroughtKey | None = None
    ) -> TrustState:
        """Make the new authority and publish it. A new root whose predecessor is offline goes offline too.

        Raises:
            RotationRefused: Another rotation is under way.
            RootOffline, KeysUnsafe: The root's key is not here, or what was brought cannot be used.
        """
        operations = self._operations
        with operations.database.write() as connection:
            keyring = self._keyring(connection)
            rotation.require_allowed(keyring.state, kind, Step.PREPARE)
            at, state = operations.clock(), keyring.state
            root = state.active(Kind.ROOT)
            authority = root_authority(keyring.authority_keys, root, brought)
            additions: tuple[AuthorityRecord, ...] = ()
            if kind is Kind.ROOT:
                if new_root_export is None and not is_online(keyring.authority_keys, root):
                    raise InvalidRequest(
                        "the old root is offline, so the new one shall be too: add --new-root-export FILE"
                    )
                root, authority = self._new_root(keyring, authority, new_root_export, at)
                additions = (root,)
            additions = (*additions, self._new_intermediate(keyring, root.name, authority, at))
            after = rotation.prepare(state, kind, additions)
            self._save(connection, keyring, after, IdentityEvent(at, "rotation_prepare", detail={"kind": kind.value}))
            if kind is Kind.ROOT:
                sign_root_crl(SqlCrlStore(connection), after, root.name, authority, at)
        return after

    def advance(self, kind: Kind, step: Step, *, override: bool = False, reason: str = "") -> TrustState:
        """Activate, retire or roll back.

        Raises:
            RotationRefused: It is not the next step, or live outposts have not confirmed and ``override`` is not set.
            InvalidRequest: An override without a reason.
        """
        if override and not reason.strip():
            raise InvalidRequest("an override needs --reason TEXT; it is recorded")
        operations = self._operations
        with operations.database.write() as connection:
            keyring, at = self._keyring(connection), operations.clock()
            fleet = _fleet(SqlRegistryStore(connection))
            after = rotation.advance(
                keyring.state, kind, step, fleet, at=at, live_within=self._live_within, override=override
            )
            left = rotation.unconfirmed(keyring.state, step, rotation.live(fleet, at, self._live_within))
            detail = {"kind": kind.value, "override": override, "reason": reason, "unconfirmed": left}
            self._save(connection, keyring, after, IdentityEvent(at, f"rotation_{step}", detail=detail))
        return after

    def status(self) -> RotationStatus:
        """Where the rotation stands."""
        operations = self._operations
        with operations.database.read() as connection:
            state, at = self._keyring(connection).state, operations.clock()
            fleet = _fleet(SqlRegistryStore(connection))
        phase = rotation.phase_of(state)
        step = {Phase.PREPARED: Step.ACTIVATE, Phase.ACTIVATED: Step.RETIRE}.get(phase)
        live = rotation.live(fleet, at, self._live_within)
        waiting = rotation.unconfirmed(state, step, live) if step else []
        ids = {member.outpost_id for member in live}
        return RotationStatus(
            phase=phase,
            kind=rotation.rotating(state),
            generation=state.generation,
            authorities=state.authorities,
            next_step=step,
            confirmed=tuple(sorted(ids - set(waiting))),
            unconfirmed=tuple(waiting),
            offline=tuple(member.outpost_id for member in fleet if member.outpost_id not in ids),
        )

    def sign_root_crl(self, brought: BroughtKey | None = None, name: str | None = None) -> StoredCrl:
        """Sign the next revocation list of a root (by default the one in use).

        Raises:
            RootOffline, KeysUnsafe: Its key is not here, or what was brought cannot be used.
        """
        operations = self._operations
        with operations.database.write() as connection:
            keyring = self._keyring(connection)
            root, at = self._root(keyring, name), operations.clock()
            authority = root_authority(keyring.authority_keys, root, brought)
            SqlEventStore(connection).record(IdentityEvent(at, "root_crl", detail={"root": root.name}))
            return sign_root_crl(SqlCrlStore(connection), keyring.state, root.name, authority, at)

    def issue_ingress(self, names: list[str], path: Path) -> x509.Certificate:
        """Write a new key and its certificate for an ingress to ``path``, with the chain that servers present.

        Raises:
            KeysUnsafe: A name cannot stand in a certificate.
            OSError: The disk refuses.
        """
        operations = self._operations
        with operations.database.write() as connection:
            keyring, at, key = self._keyring(connection), operations.clock(), generate_private_key()
            try:
                leaf = keyring.intermediate.issue_ingress(names, key.public_key(), at)
            except PkiError as err:
                raise KeysUnsafe(f"{', '.join(names)}: {err}") from err
            chain = certificates_to_pem([leaf, *presented_chain(keyring.state)])
            write_private(path, private_key_to_pem(key, None) + chain)
            detail = {"names": names, "serial": f"{leaf.serial_number:x}"}
            SqlEventStore(connection).record(IdentityEvent(at, "ingress_issued", detail=detail))
        return leaf

    def export(self, target: BroughtKey, name: str | None = None) -> str:
        """Write a root's key to a new encrypted file; it stays here too. Returns the root's name."""
        return self._with_root(lambda keys, root: export_root(keys, root, target), "root_exported", name)

    def remove(self, export: BroughtKey, name: str | None = None) -> str:
        """Delete a root's key here once its export has been read. Returns the root's name."""
        return self._with_root(lambda keys, root: remove_root(keys, root, export), "root_removed", name)

    def bring_back(self, export: BroughtKey, name: str | None = None) -> str:
        """Keep a root's key here again for good. Returns the root's name."""
        return self._with_root(lambda keys, root: import_root(keys, root, export), "root_imported", name)

    def _with_root(self, act: Callable[[AuthorityKeys, AuthorityRecord], None], kind: str, name: str | None) -> str:
        operations = self._operations
        with operations.database.write() as connection:
            keyring = self._keyring(connection)
            root = self._root(keyring, name)
            SqlEventStore(connection).record(IdentityEvent(operations.clock(), kind, detail={"root": root.name}))
            act(keyring.authority_keys, root)
        return root.name

    def _root(self, keyring: Keyring, name: str | None) -> AuthorityRecord:
        if name is None:
            return keyring.state.active(Kind.ROOT)
        root = keyring.state.named(name)
        if root is None or root.kind is not Kind.ROOT:
            raise InvalidRequest(f"there is no root called {name}; see `control-plane ca root status`")
        return root

    def _keyring(self, connection: Connection) -> Keyring:
        return self._operations.at_newest_trust(connection)

    def _new_root(
        self,
        keyring: Keyring,
        old: Authority,
        export: BroughtKey | None,
        at: datetime,
    ) -> tuple[AuthorityRecord, Authority]:
        name, trust_domain = f"root-{numbered(keyring.state, Kind.ROOT)}", self._operations.trust_domain
        signer = self._root_signer(keyring, name, export)
        authority = create_root(
            signer,
            trust_domain=trust_domain,
            common_name=f"{trust_domain} root",  # the same name: a self-issued cross certificate costs no path length
            at=at,
            random_bytes=self._random_bytes,
        )
        cross = old.cross_sign(authority.certificate, at)
        der, cross_der = authority.certificate.public_bytes(Encoding.DER), cross.public_bytes(Encoding.DER)
        record = AuthorityRecord(name, Kind.ROOT, State.NEXT, name, der, at, cross_der)
        return _keep(keyring.files, record), authority

    def _root_signer(self, keyring: Keyring, name: str, export: BroughtKey | None) -> Signer:
        if export is None:
            return keyring.authority_keys.create(name)
        key = generate_private_key()
        write_export(key, export)
        return LocalSigner(key)

    def _new_intermediate(
        self, keyring: Keyring, root: str, root_authority: Authority, at: datetime
    ) -> AuthorityRecord:
        number, trust_domain = numbered(keyring.state, Kind.INTERMEDIATE), self._operations.trust_domain
        name = f"intermediate-{number}"
        authority = create_intermediate(
            root_authority,
            keyring.authority_keys.create(name),
            trust_domain=trust_domain,
            # A name of its own, so that readers of revocation lists need not tell two by their keys; never longer
            # than the first one's, which fits the 64 characters.
            common_name=f"{trust_domain} issuer {number}",
            at=at,
            random_bytes=self._random_bytes,
        )
        der = authority.certificate.public_bytes(Encoding.DER)
        return _keep(keyring.files, AuthorityRecord(name, Kind.INTERMEDIATE, State.NEXT, root, der, at))

    def _save(self, connection: Connection, keyring: Keyring, state: TrustState, event: IdentityEvent) -> None:
        if len(state.trusted(Kind.ROOT)) < 1 or len(presented_chain(state)) < 1:
            raise RotationRefused("this would leave nothing to trust")
        at_state(keyring, state)  # its keys load, or nothing changes
        SqlAuthorityStore(connection).save(state)
        detail = {**event.detail, "generation": state.generation, "uid": os.getuid()}
        SqlEventStore(connection).record(IdentityEvent(event.at, event.kind, detail=detail))


def ensure_crls(operations: Operations) -> list[str]:
    """Sign every revocation list that is due; the names of roots whose list is due but whose key is offline."""
    missing = []
    with operations.database.write() as connection:
        keyring, at = operations.at_newest_trust(connection), operations.clock()
        store = SqlCrlStore(connection)
        for record in keyring.state.authorities:
            if record.state is State.WITHDRAWN or at >= record.certificate.not_valid_after_utc:
                continue
            if record.kind is Kind.INTERMEDIATE:
                current_crl(store, partial(keyring.authority, record.name), record.name, at)
            elif root_crl_is_due(store, keyring.state, record.name, at):
                if is_online(keyring.authority_keys, record):
                    authority = root_authority(keyring.authority_keys, record, None)
                    sign_root_crl(store, keyring.state, record.name, authority, at)
                else:
                    missing.append(record.name)
    return missing


def all_crls(operations: Operations) -> list[StoredCrl]:
    """The newest list of every authority that counts, the one that issues now first: what an ingress needs."""
    with operations.database.read() as connection:
        state, store = operations.at_newest_trust(connection).state, SqlCrlStore(connection)
        records = (*state.trusted(Kind.INTERMEDIATE), *state.trusted(Kind.ROOT))
        return [crl for record in records if (crl := store.newest_crl(record.name)) is not None]


def _keep(files: DataDir, record: AuthorityRecord) -> AuthorityRecord:
    """For people: the record itself is in the database."""
    write_public(files.ca / f"{record.name}.pem", certificates_to_pem([record.certificate]))
    return record


def _fleet(store: SqlRegistryStore) -> list[Member]:
    return [
        Member(
            record.id,
            status.received_at if status else None,
            status.trust_generation if status else None,
            status.authority if status else None,
        )
        for record, status in store.outposts()
        if record.revoked_at is None and record.enrolled_at is not None
    ]

"""Operations on an org's policy repository: its keys, its officers, canaries. One method, one transaction.

Rules are in ``role_rotation``, ``proposals`` and ``canary``; key files in ``org_keys``. These change before a
publication (the next key) and after it (the old one goes), never within: cut off at any moment, what is published can
be signed again.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeVar

import structlog
from securesystemslib.signer import Signer  # type: ignore[attr-defined]  # re-exported without __all__
from sqlalchemy import Connection

from control_plane import bundles
from control_plane.canary import (
    Audiences,
    Canary,
    CanaryStore,
    Selection,
    State,
    active,
    begin,
    promote,
    roll_forward,
)
from control_plane.errors import InvalidRequest, NotFound, VersionTaken
from control_plane.events import IdentityEvent
from control_plane.keyring import Keyring
from control_plane.orgs import require_org
from control_plane.outposts import OutpostStatus, require_active
from control_plane.proposals import accept, officers_roles, propose
from control_plane.release import CANARY, STABLE, Release
from control_plane.role_rotation import ROTATABLE, RoleStatus, named_keyids, repository_status, rotate
from control_plane.signing import TOP_LEVEL, VIRTUAL_KEYS, RoleKeys, RoleSigners
from control_plane.store.bundles import SqlBundleStore
from control_plane.store.canaries import SqlCanaryStore
from control_plane.store.engine import Database
from control_plane.store.events import SqlEventStore
from control_plane.store.orgs import SqlOrgStore
from control_plane.store.outposts import SqlRegistryStore
from outpost.protocol.proposal import Proposal

_log = structlog.get_logger("control_plane.policy_operations")
_Result = TypeVar("_Result")
_PUBLISH_TRIES = 5  # a publish takes milliseconds; losing five races in a row means that something else is wrong


def publishing(database: Database, work: Callable[[Connection], _Result]) -> _Result:
    """Run ``work`` in a write transaction; if another process published meanwhile, again on what it left.

    Raises:
        VersionTaken: Others were faster every time.
    """
    for _ in range(_PUBLISH_TRIES - 1):
        try:
            with database.write() as connection:
                return work(connection)
        except VersionTaken:
            _log.info("publish_tried_again")
    with database.write() as connection:
        return work(connection)


class PolicyOperations:
    """See the module. ``keyring`` serves for the orgs' keys alone."""

    def __init__(
        self, database: Database, keyring: Keyring, timestamp_lifetime: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._timestamp_lifetime = timestamp_lifetime
        self._clock = clock

    def status(self, org_id: str) -> list[RoleStatus]:
        """The roles of the org's repository: versions, expiry, whose keys."""
        signers = self._signers(org_id)
        with self._database.read() as connection:
            return repository_status(SqlBundleStore(connection), org_id, signers)

    def rotate_key(self, org_id: str, role: str) -> RoleStatus:
        """Give a role a new key; the old one is gone afterwards. See ``role_rotation.rotate``.

        Cut off at any moment, it leaves a repository that verifies; run again, it goes on with the same new key.
        """
        signers, new = self._following(org_id, role)
        self._publish(org_id, signers, lambda release, _: rotate(release, role, new))
        return next(one for one in self.status(org_id) if one.role == role)

    def propose(self, org_id: str, changes: Mapping[str, bytes], *, renew_root: bool = False) -> Proposal:
        """Changed documents for officers to sign, with the next root if it is to be renewed. See ``proposals``."""
        return self._propose(org_id, changes=changes, roles={} if renew_root else None)

    def appoint_officers(self, org_id: str, pems: Sequence[bytes], threshold: int, root_threshold: int) -> Proposal:
        """Root and targets for these officers' keys, for them (and the officers before them) to sign."""
        roles = officers_roles(pems, threshold, root_threshold)
        return self._propose(org_id, roles=roles)

    def propose_rotation(self, org_id: str, role: str) -> Proposal:
        """A new key for a role whose rotation the officers have to sign."""
        if role in ("root", "targets"):
            raise InvalidRequest(f"the keys of {role} are the officers'; `control-plane policy officers` changes them")
        _, new = self._following(org_id, role)
        roles = {role: RoleKeys((new.public_key,))} if role in TOP_LEVEL else None
        return self._propose(org_id, roles=roles, delegate_to=new if role == VIRTUAL_KEYS else None)

    def publish_proposal(
        self,
        org_id: str,
        copies: Sequence[Proposal],
        selection: Selection | None = None,
        lists: Mapping[str, bytes] = MappingProxyType({}),
    ) -> tuple[int, list[str]]:
        """Publish what enough officers signed (as a canary); returns the snapshot version and the canary's members.

        Keys that the new root takes from this control plane are destroyed. ``lists`` are those that are new in it. See
        ``proposals.accept``.
        """
        signers = self._signers(org_id)
        audience = STABLE if selection is None else CANARY

        def work(release: Release, store: CanaryStore) -> tuple[int, list[str]]:
            version = accept(release, copies, signers, audience=audience, lists=lists)
            return version, [] if selection is None else begin(store, org_id, version, selection, self._clock())

        return self._publish(org_id, signers, work)

    def begin_canary(self, org_id: str, changes: Mapping[str, bytes], selection: Selection) -> tuple[int, list[str]]:
        """Show changed documents to a few outposts; returns the snapshot version and who they are."""
        signers, lifetime = self._signers(org_id), self._timestamp_lifetime

        def work(release: Release, store: CanaryStore) -> tuple[int, list[str]]:
            at = self._clock()
            version = bundles.publish(release.store, org_id, changes, signers, at, lifetime, audience=CANARY)
            return version, begin(store, org_id, version, selection, at)

        return self._publish(org_id, signers, work)

    def promote(self, org_id: str, *, override: bool) -> int:
        """Show the canary to everybody; returns the snapshot version. An override of refusals is recorded."""

        def work(release: Release, store: CanaryStore) -> tuple[Canary, int]:
            return promote(release, store, self._clock(), override=override)

        canary, version = self._publish(org_id, self._signers(org_id), work)
        if canary.state is State.HALTED:
            with self._database.write() as connection:
                detail = {"version": version, "canary": canary.version}
                SqlEventStore(connection).record(IdentityEvent(self._clock(), "canary_overridden", None, detail))
        return version

    def roll_forward(self, org_id: str, copies: Sequence[Proposal] = ()) -> int:
        """Show everybody the content from before the canary under a higher version; returns it.

        Where officers sign: ``copies`` of a proposal of what is in force.
        """
        signers = self._signers(org_id)

        def work(release: Release, store: CanaryStore) -> int:
            if not copies:
                return roll_forward(release, store, self._clock())
            canary = active(store, org_id)
            version = accept(release, copies, signers, ends_canary=True)
            if canary is not None:
                store.change(canary, State.ROLLED_FORWARD, self._clock())
            return version

        return self._publish(org_id, signers, work)

    def canary(self, org_id: str) -> tuple[Canary, list[tuple[str, datetime | None, OutpostStatus | None]]]:
        """The newest canary, and of each member when it was first shown it and what it last reported.

        Raises:
            NotFound: There never was one.
        """
        with self._database.read() as connection:
            store = SqlCanaryStore(connection)
            canary = store.newest(require_org(SqlOrgStore(connection), org_id))
            if canary is None:
                raise NotFound(f"there never was a canary for org {org_id}")
            reported = {str(record.id): status for record, status in SqlRegistryStore(connection).outposts(org_id)}
            members = sorted(store.members(canary).items())
            return canary, [(member, shown_at, reported.get(member)) for member, shown_at in members]

    def canary_under_way(self, org_id: str) -> bool:
        """Whether some outposts are shown what others are not."""
        with self._database.read() as connection:
            return active(SqlCanaryStore(connection), org_id) is not None

    def audiences(self, org_ids: list[str]) -> dict[str, Audiences]:
        """Which snapshot each outpost of these orgs is to be shown."""
        with self._database.read() as connection:
            return SqlCanaryStore(connection).audiences(org_ids)

    def audience(self, org_id: str, outpost_id: str) -> str:
        """Which audience an outpost belongs to; from here on a canary's member stays one."""
        found = self.audiences([org_id]).get(org_id)
        if found is None or found.of(outpost_id) == STABLE or found.members.get(outpost_id):
            return STABLE if found is None else found.of(outpost_id)
        with self._database.write() as connection:
            store = SqlCanaryStore(connection)
            now = store.audiences([org_id])[org_id].of(outpost_id)  # it may have been halted meanwhile
            canary = active(store, org_id)
            if now == CANARY and canary is not None:
                store.mark_shown(canary, outpost_id, self._clock())
            return now

    def carried(self, org_id: str, audience: str, lifetime: timedelta | None) -> dict[str, bytes]:
        """Everything that an audience is shown, by name in a bundle file, with a timestamp that lasts ``lifetime``.

        Without ``lifetime``: as long as the policy may be enforced without news. See ``bundles.whole``.
        """
        signers = self._signers(org_id)

        def work(release: Release, _: CanaryStore) -> dict[str, bytes]:
            files = bundles.whole(release, audience, lifetime)
            release.publish()
            return files

        return self._publish(org_id, signers, work)

    def set_label(self, outpost_id: str, name: str, value: str | None) -> None:
        """Set or (None) take away a label of an outpost.

        Raises:
            UnknownOutpost, OutpostRevoked: There is none of this id any more.
        """
        with self._database.write() as connection:
            require_active(SqlRegistryStore(connection), outpost_id)
            SqlCanaryStore(connection).set_label(outpost_id, name, value)

    def _propose(
        self,
        org_id: str,
        *,
        changes: Mapping[str, bytes] | None = None,
        roles: Mapping[str, RoleKeys] | None = None,
        delegate_to: Signer | None = None,
    ) -> Proposal:
        signers, at = self._signers(org_id), self._clock()
        with self._database.read() as connection:
            store = SqlBundleStore(connection)
            key = delegate_to or signers.virtual_keys
            public_key = None if key is None else key.public_key
            return propose(store, org_id, at, changes=changes or {}, roles=roles, delegate_to=public_key)

    def _publish(self, org_id: str, signers: RoleSigners, work: Callable[[Release, CanaryStore], _Result]) -> _Result:
        def publish(connection: Connection) -> _Result:
            release = Release(SqlBundleStore(connection), org_id, signers, self._clock(), self._timestamp_lifetime)
            return work(release, SqlCanaryStore(connection))

        result = publishing(self._database, publish)
        self._settle(org_id)
        return result

    def _following(self, org_id: str, role: str) -> tuple[RoleSigners, Signer]:
        """The next key of a role, and all that are held, it among them."""
        if role not in ROTATABLE:
            raise InvalidRequest(f"roles are {', '.join(ROTATABLE)}")
        self._settle(self._known(org_id))
        keys = self._keyring.org_keys(org_id)
        new = keys.following(role)
        return keys.load(), new

    def _settle(self, org_id: str) -> None:
        """Bring key files in line with what is published."""
        with self._database.read() as connection:
            named = named_keyids(SqlBundleStore(connection), org_id)
        keys = self._keyring.org_keys(org_id)
        keys.settle(named)
        held = keys.load()
        for role in ("root", "targets"):
            signer = held.of(role)
            if signer is not None and signer.public_key.keyid not in named:
                keys.destroy(role)
                _log.warning("key_destroyed", org=org_id, role=role, why="officers hold this role now")

    def _signers(self, org_id: str) -> RoleSigners:
        return self._keyring.signers(self._known(org_id))

    def _known(self, org_id: str) -> str:
        with self._database.read() as connection:
            return require_org(SqlOrgStore(connection), org_id)

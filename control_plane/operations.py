"""Every operation of the control plane: one method, one transaction, one rule.

The command line and the HTTP API both stand on this file and hold no rules of their own. What an operator does lies
in ``tenant_operations`` and ``registry_operations``; here are what outposts ask for and what the schedule does.
Methods are synchronous and may block on the database; the API calls them in a thread.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog
from cryptography import x509
from sqlalchemy import Connection

from control_plane import bundles
from control_plane.audit import take_batch
from control_plane.authorities import Kind, trust_update
from control_plane.canary import halt
from control_plane.errors import (
    CertificateRejected,
    ControlPlaneError,
    KeysUnsafe,
    NotFound,
    OutpostRevoked,
    UnknownOutpost,
    VersionTaken,
)
from control_plane.events import IdentityEvent
from control_plane.heartbeat import Report, record_heartbeat
from control_plane.issuance import OutpostIssuer, StoredCrl, current_crl, fresh_crl, outpost_issuer
from control_plane.keyring import Keyring
from control_plane.outposts import OutpostRecord, admit
from control_plane.pruning import forget_ended_before
from control_plane.recovery import recover
from control_plane.registration import Enrolment, enroll
from control_plane.registry_operations import RegistryOperations
from control_plane.release import STABLE
from control_plane.renewal import renew
from control_plane.secrets import seal_for
from control_plane.store.audit import SqlAuditStore
from control_plane.store.bundles import SqlBundleStore
from control_plane.store.canaries import SqlCanaryStore
from control_plane.store.events import SqlEventStore
from control_plane.store.orgs import SqlSecretStore
from control_plane.store.outposts import SqlCrlStore, SqlRegistrationStore, SqlRegistryStore
from control_plane.tenant_operations import TenantOperations
from outpost.protocol.messages import (
    AuditBatch,
    AuditReceipt,
    CertificateResponse,
    EnrolRequest,
    Heartbeat,
    HeartbeatReply,
    RecoverRequest,
    SealedSecrets,
    TrustUpdate,
)
from pki.keys import certificate_sha256

_log = structlog.get_logger("control_plane.operations")
OFFICERS_WARNING = timedelta(days=60)  # people have to meet, or be sent a file; a month and a month's slack


class Operations(TenantOperations, RegistryOperations):
    """The control plane's operations over one database and one set of keys."""

    # What outposts ask for

    def enroll(self, request: EnrolRequest) -> tuple[Enrolment, bytes]:
        """Enrol an outpost; returns the enrolment and the org's first root metadata. See ``registration.enroll``."""
        with self.database.write() as connection:
            keyring = self.at_newest_trust(connection)
            result = enroll(
                request,
                store=SqlRegistrationStore(connection),
                issuer=self._issuer(keyring),
                anchors_sha256=[certificate_sha256(anchor) for anchor in keyring.trust.anchors],
                at=self.clock(),
            )
            if isinstance(result, Enrolment):
                if not result.repeated:
                    detail = {"certificate_sha256": result.certificate.sha256.hex()}
                    SqlEventStore(connection).record(IdentityEvent(self.clock(), "enrolled", result.outpost.id, detail))
                store, org_id = SqlBundleStore(connection), result.outpost.org_id
                version = store.latest_version(org_id, "root")
                return result, bundles.metadata_by_filename(store, org_id, f"{version}.root.json")
        raise result

    def admit(self, certificate: x509.Certificate) -> OutpostRecord:
        """Which outpost presents this certificate: the chain, its time, then the registry. On every request.

        Raises:
            CertificateRejected, UnknownOutpost, OutpostRevoked: It may not come in.
        """
        admitted = self.admit_all([certificate])[certificate]
        if isinstance(admitted, ControlPlaneError):
            raise admitted
        return admitted

    def admit_all(
        self, presented: Sequence[x509.Certificate]
    ) -> dict[x509.Certificate, OutpostRecord | ControlPlaneError]:
        """``admit`` for many requests in one look at the registry, each with its own outcome."""
        at = self.clock()
        admitted: dict[x509.Certificate, OutpostRecord | ControlPlaneError] = {}
        with self.database.read() as connection:
            trust = self.at_newest_trust(connection).trust
            store = SqlRegistryStore(connection)
            live = store.live_outposts([certificate_sha256(one) for one in presented], at)
            for certificate in presented:
                try:
                    spiffe_id = self._verifier.identify(certificate, trust, at)
                    digest = certificate_sha256(certificate)
                    record = live.get(digest)
                    if record is None or (record.org_id, record.id) != (spiffe_id.org_id, spiffe_id.outpost_id):
                        record = admit(store, spiffe_id.org_id, spiffe_id.outpost_id, digest, at)  # says why not
                    admitted[certificate] = record
                except (CertificateRejected, UnknownOutpost, OutpostRevoked) as err:
                    admitted[certificate] = err
        return admitted

    def heartbeat(
        self, outpost: OutpostRecord, beat: Heartbeat, interval_s: int, certificate_sha256: bytes | None = None
    ) -> HeartbeatReply:
        """Record a heartbeat that came over a connection with this certificate."""
        report = Report(outpost, beat, certificate_sha256)
        return self.heartbeats([report], interval_s)[report]

    def heartbeats(self, reports: Sequence[Report], interval_s: int) -> dict[Report, HeartbeatReply]:
        """Record many in one transaction: a thousand outposts cost one wait for the disk."""
        replies: dict[Report, HeartbeatReply] = {}
        with self.database.write() as connection:
            keyring, at = self.at_newest_trust(connection), self.clock()
            store = SqlRegistryStore(connection)
            for report in reports:
                replies[report], cloned = record_heartbeat(
                    store,
                    report.outpost,
                    report.beat,
                    at,
                    interval_s,
                    certificate_sha256=report.certificate_sha256,
                    generation=keyring.state.generation,
                    active_authority=keyring.state.active(Kind.INTERMEDIATE).name,
                )
                self._note_heartbeat(connection, report, at, cloned=cloned)
        return replies

    @staticmethod
    def _note_heartbeat(connection: Connection, report: Report, at: datetime, *, cloned: bool) -> None:
        """Record what an operator has to know of a heartbeat."""
        events, outpost, bundle = SqlEventStore(connection), report.outpost, report.beat.bundle
        if cloned:
            digest = report.certificate_sha256.hex() if report.certificate_sha256 else None
            events.record(IdentityEvent(at, "cloned", outpost.id, {"certificate_sha256": digest}))
            _log.warning("cloned_identity", outpost=outpost.id, instance=report.beat.instance_id)
        refused = bundle.refused_version if bundle else None
        if refused and halt(SqlCanaryStore(connection), outpost.org_id, outpost.id, refused, at):
            events.record(IdentityEvent(at, "canary_halted", outpost.id, {"version": refused}))
            _log.warning("canary_halted", org=outpost.org_id, outpost=outpost.id, version=refused)

    def trust(self) -> TrustUpdate:
        """The authorities that count now."""
        with self.database.read() as connection:
            return trust_update(self.at_newest_trust(connection).state)

    def renew(self, outpost: OutpostRecord, csr_pem: str, presented_sha256: bytes) -> CertificateResponse:
        """A certificate for an outpost's new key. See ``renewal.renew``."""
        with self.database.write() as connection:
            keyring, at = self.at_newest_trust(connection), self.clock()
            certificate, repeated = renew(
                SqlRegistrationStore(connection),
                outpost,
                csr_pem=csr_pem,
                presented_sha256=presented_sha256,
                issuer=self._issuer(keyring),
                authority=keyring.state.active(Kind.INTERMEDIATE).name,
                at=at,
            )
            if not repeated:
                detail = {"certificate_sha256": certificate.sha256.hex()}
                SqlEventStore(connection).record(IdentityEvent(at, "renewed", outpost.id, detail))
            return CertificateResponse(certificate_pem=certificate.pem, trust=trust_update(keyring.state))

    def recover(self, request: RecoverRequest) -> tuple[str, CertificateResponse]:
        """A certificate for an outpost whose own has ended; returns its id too. See ``recovery.recover``."""
        with self.database.write() as connection:
            keyring, at = self.at_newest_trust(connection), self.clock()
            attempt = recover(
                request,
                store=SqlRegistrationStore(connection),
                issuer=self._issuer(keyring),
                authority=keyring.state.active(Kind.INTERMEDIATE).name,
                retired_at={one.name: one.retired_at for one in keyring.state.authorities if one.retired_at},
                policy=self._recovery,
                at=at,
            )
            # A certificate that we never issued names no outpost of ours: anybody can make one, so it is only logged.
            if attempt.outpost_id is not None and not attempt.repeated:
                SqlEventStore(connection).record(attempt.event(at))
        if attempt.certificate is None or attempt.outpost_id is None:
            refusal = attempt.refusal or NotFound("nothing to recover")
            _log.warning("recovery_refused", outpost=attempt.outpost_id, why=type(refusal).__name__)
            raise refusal
        return attempt.outpost_id, CertificateResponse(
            certificate_pem=attempt.certificate.pem, trust=trust_update(keyring.state)
        )

    def take_batch(self, outpost: OutpostRecord, batch: AuditBatch) -> AuditReceipt:
        """Take an audit batch. See ``audit.take_batch``."""
        with self.database.write() as connection:
            return take_batch(
                SqlAuditStore(connection),
                outpost,
                batch,
                trust_domain=self.trust_domain,
                signer=self.keyring.receipts,
                at=self.clock(),
            )

    def seal_secrets(self, outpost: OutpostRecord) -> SealedSecrets:
        """The org's secrets sealed to this outpost."""
        with self.database.read() as connection:
            return seal_for(SqlSecretStore(connection), self.keyring.wrapper, outpost)

    def current_crl(self, key_id: str | None = None) -> StoredCrl:
        """The newest CRL of the intermediate with this key identifier (or that issues now), signed anew if it is due.

        Raises:
            NotFound: There is no such intermediate.
        """
        with self.database.read() as connection:
            keyring, at = self.at_newest_trust(connection), self.clock()
            issuer = keyring.state.active(Kind.INTERMEDIATE) if key_id is None else keyring.state.with_key_id(key_id)
            if issuer is None or issuer.kind is not Kind.INTERMEDIATE:
                raise NotFound("no authority has this key identifier")
            name = issuer.name
            fresh = fresh_crl(SqlCrlStore(connection), name, at)
        if fresh is not None:
            return fresh  # the usual case takes no lock: anybody may ask
        with self.database.write() as connection:
            return current_crl(SqlCrlStore(connection), partial(keyring.authority, name), name, at)

    def metadata(self, org_id: str, filename: str, audience: str = STABLE) -> bytes:
        """One TUF metadata file; the timestamp is that of an audience."""
        with self.database.read() as connection:
            return bundles.metadata_by_filename(SqlBundleStore(connection), org_id, filename, audience)

    def target(self, org_id: str, filename: str) -> bytes:
        """One TUF target."""
        with self.database.read() as connection:
            return bundles.target_by_filename(SqlBundleStore(connection), org_id, filename)

    # The schedule

    def renew_bundles(self, resign_after: timedelta) -> dict[str, tuple[str, ...]]:
        """Re-sign what is due in every org's repository; returns what was. See ``bundles.renew``.

        Any number of control planes may do this over one database: who comes second finds nothing due, and who loses
        a race leaves it at that. An org whose keys cannot be used does not keep the others from theirs.
        """
        renewed = {}
        for org_id in self.org_ids():
            try:
                roles = self._renew_org(org_id, resign_after)
            except VersionTaken:
                continue  # it has just been done
            except KeysUnsafe as err:
                _log.error("bundle_keys_unusable", org=org_id, problem=err.message)
                continue
            if roles:
                renewed[org_id] = roles
                self._warn_of_officers_roles(org_id)
        return renewed

    def _warn_of_officers_roles(self, org_id: str) -> None:
        for status in self.policy.status(org_id):
            if status.held < status.threshold and status.expires_at - self.clock() < OFFICERS_WARNING:
                hint = "control-plane policy propose --renew-root"
                _log.warning(
                    "officers_must_sign", org=org_id, role=status.role, until=str(status.expires_at), hint=hint
                )

    def _renew_org(self, org_id: str, resign_after: timedelta) -> tuple[str, ...]:
        signers, at = self.keyring.signers(org_id), self.clock()
        with self.database.read() as connection:  # the usual case takes no lock
            if not bundles.due(SqlBundleStore(connection), org_id, signers, at, resign_after):
                return ()
        with self.database.write() as connection:
            store = SqlBundleStore(connection)
            return bundles.renew(store, org_id, signers, at, self._timestamp_lifetime, resign_after)

    def forget_certificates(self) -> int:
        """Delete the records of certificates that nothing can be bought with any more; returns how many."""
        with self.database.write() as connection:
            ended_before = forget_ended_before(self.clock(), self._recovery.window)
            return SqlRegistryStore(connection).forget_certificates(ended_before)

    def _issuer(self, keyring: Keyring) -> OutpostIssuer:
        name = keyring.state.active(Kind.INTERMEDIATE).name
        return outpost_issuer(keyring.intermediate, self.trust_domain, name)

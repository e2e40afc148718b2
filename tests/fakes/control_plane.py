"""A control plane in memory for tests of the outpost: a real CA, real TUF keys, the real rules, no socket and no TLS.

    plane = FakeControlPlane(clock)
    plane.publish(policy=PolicyDocument(...))
    client = httpx.AsyncClient(transport=plane.transport())

``plane.down = True`` makes every request fail to connect; ``plane.revoke(outpost_id)`` answers 403
``outpost_revoked``; ``plane.rotate(Kind.ROOT, Step.PREPARE)`` moves an authority. Without TLS there is no client
certificate, so ``plane.peer`` says who is calling: the last outpost that enrolled, unless a test sets it. Everything
received is kept for asserting.
"""

import base64
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, ValidationError
from securesystemslib.signer import CryptoSigner

from control_plane import bundles, rotation
from control_plane.api.errors import body_for, row_for
from control_plane.audit import StoredEvent, StoredHead, receipt_signer_name, take_batch
from control_plane.authorities import (
    FIRST_INTERMEDIATE,
    FIRST_ROOT,
    AuthorityRecord,
    Kind,
    State,
    first_state,
    trust_update,
)
from control_plane.defaults import default_policy, default_routing
from control_plane.errors import ControlPlaneError, NotFound, OutpostRevoked, TokenUsed, VersionTaken
from control_plane.issuance import IssuedCertificate, OutpostIssuer, outpost_issuer
from control_plane.keys import key_digest, key_prefix, keys_document, new_key_text
from control_plane.outposts import OutpostRecord
from control_plane.recovery import RecoveryPolicy, recover
from control_plane.registration import TokenRecord, enroll
from control_plane.release import STABLE, HeadVersions, Publication, Release, stored_file
from control_plane.renewal import renew
from control_plane.rotation import Step
from control_plane.signing import ROLES, TIMESTAMP_LIFETIME, VIRTUAL_KEYS, RoleSigners, delegation_to
from control_plane.tokens import make_token
from outpost.audit.checkpoint import NoteSigner
from outpost.protocol import routes
from outpost.protocol.codes import ErrorCode
from outpost.protocol.documents import KeysDocument, PolicyDocument, VirtualKeyDigest
from outpost.protocol.ids import OrgId, OutpostId
from outpost.protocol.messages import (
    Anchors,
    AuditBatch,
    CertificateResponse,
    EnrolRequest,
    EnrolResponse,
    ErrorBody,
    Heartbeat,
    HeartbeatReply,
    RecoverRequest,
    RenewRequest,
    SealedSecrets,
    WatchReply,
)
from outpost.protocol.routing import RoutingDocument
from outpost.protocol.sealing import PEPPER_PREFIX, seal_secrets, secrets_info
from pki.authority import Authority, create_intermediate, create_root
from pki.keys import certificate_sha256, generate_private_key
from pki.revocation import Revoked
from pki.signer import LocalSigner
from tests.fakes.clock import FakeClock

Answer = tuple[int, BaseModel | bytes]


class MemoryBundleStore:
    """``control_plane.bundles.BundleStore`` in dictionaries. Tests may alter what is stored to play the liar."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, int], bytes] = {}
        self.targets: dict[tuple[str, str], bytes] = {}
        self.heads: dict[str, HeadVersions] = {}

    def latest_version(self, org_id: str, role: str) -> int:
        return max((version for name, version in self.files if name == role), default=0)

    def metadata(self, org_id: str, role: str, version: int) -> bytes | None:
        return self.files.get((role, version))

    def target(self, org_id: str, name: str, digest: str) -> bytes | None:
        return self.targets.get((name, digest))

    def head(self, org_id: str, audience: str) -> HeadVersions | None:
        if audience == STABLE and set(self.heads) == {STABLE}:  # the files are the truth, so that a test may swap them
            return HeadVersions(self.latest_version(org_id, "snapshot"), self.latest_version(org_id, "timestamp"))
        return self.heads.get(audience)

    def add(self, org_id: str, publication: Publication, at: datetime) -> None:
        if any((file.role, file.version) in self.files for file in publication.metadata):
            raise VersionTaken("another process was faster")
        for audience, versions in publication.heads.items():
            self.heads.pop(audience, None)
            if versions is not None:
                self.heads[audience] = versions
        self.files.update({(file.role, file.version): file.content for file in publication.metadata})
        self.targets.update({(target.name, target.sha256): target.content for target in publication.targets})


class MemoryRegistrationStore:
    """``control_plane.registration.RegistrationStore`` in dictionaries."""

    def __init__(self) -> None:
        self.tokens: dict[bytes, TokenRecord] = {}
        self.outposts: dict[str, OutpostRecord] = {}
        self.certificates: dict[bytes, IssuedCertificate] = {}
        self.replays: list[bytes] = []

    def token(self, secret_sha256: bytes) -> TokenRecord | None:
        return self.tokens.get(secret_sha256)

    def outpost(self, outpost_id: str) -> OutpostRecord | None:
        return self.outposts.get(outpost_id)

    def certificate(self, sha256: bytes) -> IssuedCertificate | None:
        return self.certificates.get(sha256)

    def add_certificate(self, certificate: IssuedCertificate) -> None:
        self.certificates[certificate.sha256] = certificate

    def spend_token(self, secret_sha256: bytes, certificate_sha256: bytes, at: datetime) -> bool:
        record = self.tokens[secret_sha256]
        self.tokens[secret_sha256] = replace(record, spent_at=at, certificate_sha256=certificate_sha256)
        return record.spent_at is None

    def record_keys(self, outpost_id: str, hpke_public_key: bytes, audit_public_key: bytes, at: datetime) -> None:
        self.outposts[outpost_id] = replace(
            self.outposts[outpost_id],
            hpke_public_key=hpke_public_key,
            audit_public_key=audit_public_key,
            enrolled_at=at,
        )

    def record_replay(self, secret_sha256: bytes, at: datetime) -> None:
        self.replays.append(secret_sha256)

    def certificate_of_key(self, spki_sha256: bytes) -> IssuedCertificate | None:
        found = [one for one in self.certificates.values() if one.spki_sha256 == spki_sha256]
        return found[-1] if found else None

    def issued_since(self, outpost_id: str, since: datetime) -> int:
        return sum(one.outpost_id == outpost_id and one.issued_at > since for one in self.certificates.values())

    def set_recovery_approval(self, outpost_id: str, at: datetime | None) -> None:
        self.outposts[outpost_id] = replace(self.outposts[outpost_id], recovery_approved_at=at)


class MemoryAuditStore:
    """``control_plane.audit.AuditStore`` in dictionaries; a lost event is stored as empty bytes."""

    def __init__(self, events: dict[str, list[bytes]], heads: dict[str, list[tuple[StoredHead, list[bytes]]]]) -> None:
        self._events, self._heads = events, heads

    def newest_head(self, outpost_id: str, at_most: int | None = None) -> StoredHead | None:
        heads = [head for head, _ in self._heads.get(outpost_id, []) if at_most is None or head.size <= at_most]
        return heads[-1] if heads else None

    def leaf_hashes(self, outpost_id: str, first: int, end: int) -> list[bytes]:
        return [leaf for _, leaves in self._heads.get(outpost_id, []) for leaf in leaves][first:end]

    def append(self, outpost_id: str, events: Sequence[StoredEvent], head: StoredHead, at: datetime) -> None:
        self._events.setdefault(outpost_id, []).extend(event.event or b"" for event in events)
        self._heads.setdefault(outpost_id, []).append((head, [event.leaf_hash for event in events]))


class FakeControlPlane:
    """See the module docstring. ``down``, ``peer``, ``secrets`` and ``store`` are there to be changed by tests."""

    def __init__(
        self,
        clock: Callable[[], datetime] | None = None,
        *,
        org_id: str = "acme",
        trust_domain: str = "outpost.test",
        sync_url: str = "https://control-plane.test:8443",
    ) -> None:
        self.clock = clock or FakeClock()
        self.org_id, self.trust_domain, self.sync_url = OrgId(org_id), trust_domain, sync_url
        self.down = False
        self.peer: str | None = None
        at = self.clock()
        self._keys: dict[str, EllipticCurvePrivateKey] = {}
        self._authorities: dict[str, Authority] = {}
        self.root = self._new_root(FIRST_ROOT, at)
        self.intermediate = self._new_intermediate(FIRST_INTERMEDIATE, self.root, at)
        self.state = first_state(self.root.certificate, self.intermediate.certificate)
        self.recovery = RecoveryPolicy()
        self.receipt_signer = NoteSigner(receipt_signer_name(trust_domain), Ed25519PrivateKey.generate())
        self.signers = RoleSigners(*(CryptoSigner.generate_ed25519() for _ in ROLES))
        self.store = MemoryBundleStore()
        self.registry = MemoryRegistrationStore()
        self.pepper_id, self.pepper = "pepper-1", os.urandom(32)
        self.secrets: dict[str, str] = {f"{PEPPER_PREFIX}{self.pepper_id}": base64.b64encode(self.pepper).decode()}
        self.secrets_version = 1
        self.keys: list[VirtualKeyDigest] = []
        self.requests: list[tuple[str, str]] = []
        self.heartbeats: list[Heartbeat] = []
        self.audit_events: dict[str, list[bytes]] = {}
        self.audit_heads: dict[str, list[tuple[StoredHead, list[bytes]]]] = {}
        bundles.create_repository(self.store, org_id, self.signers, at)

    # What an operator does

    def rotate(self, kind: Kind, step: Step) -> int:
        """Take one step of a rotation, whoever has confirmed; returns the new generation."""
        at = self.clock()
        if step is not Step.PREPARE:
            self.state = rotation.advance(self.state, kind, step, [], at=at, live_within=timedelta())
            self.root = self._authorities[self.state.active(Kind.ROOT).name]
            self.intermediate = self._authorities[self.state.active(Kind.INTERMEDIATE).name]
            return self.state.generation
        root, additions = self.state.active(Kind.ROOT).name, []
        if kind is Kind.ROOT:
            old, root = root, f"root-{len(self._keys)}"
            new = self._new_root(root, at)
            cross = self._authorities[old].cross_sign(new.certificate, at)
            cross_der = cross.public_bytes(Encoding.DER)
            additions.append(AuthorityRecord(root, kind, State.NEXT, root, _der(new.certificate), at, cross_der))
        name = f"intermediate-{len(self._keys)}"
        new = self._new_intermediate(name, self._authorities[root], at)
        additions.append(AuthorityRecord(name, Kind.INTERMEDIATE, State.NEXT, root, _der(new.certificate), at))
        self.state = rotation.prepare(self.state, kind, additions)
        return self.state.generation

    def approve_recovery(self, outpost_id: str) -> None:
        """What ``recovery = RecoveryPolicy(needs_operator=True)`` waits for."""
        self.registry.set_recovery_approval(outpost_id, self.clock())

    def _new_root(self, name: str, at: datetime) -> Authority:
        self._keys[name] = generate_private_key()
        self._authorities[name] = create_root(
            LocalSigner(self._keys[name]), trust_domain=self.trust_domain, common_name="Test root", at=at
        )
        return self._authorities[name]

    def _new_intermediate(self, name: str, root: Authority, at: datetime) -> Authority:
        self._keys[name] = generate_private_key()
        self._authorities[name] = create_intermediate(
            root,
            LocalSigner(self._keys[name]),
            trust_domain=self.trust_domain,
            common_name=f"Test {name}",
            at=at,
        )
        return self._authorities[name]

    def publish(
        self,
        policy: PolicyDocument | bytes | None = None,
        keys: KeysDocument | bytes | None = None,
        routing: RoutingDocument | bytes | None = None,
        others: Mapping[str, bytes] = MappingProxyType({}),
    ) -> int:
        """Publish a bundle and return its snapshot version; what is not given stays, at first the safe defaults."""
        changes = {
            name: document if isinstance(document, bytes) else document.model_dump_json(exclude_none=True).encode()
            for name, document in (("policy.json", policy), ("keys.json", keys), ("routing.json", routing))
            if document is not None
        } | dict(others)
        first = {"policy.json": default_policy(), "keys.json": keys_document([]), "routing.json": default_routing()}
        if self.store.latest_version(self.org_id, "targets") == 0:
            changes = first | changes
        return bundles.publish(self.store, self.org_id, changes, self.signers, self.clock())

    def publish_unchecked(self, documents: dict[str, bytes]) -> int:
        """Sign and publish whatever bytes, as a compromised control plane that holds the keys would."""
        release = Release(self.store, self.org_id, self.signers, self.clock(), TIMESTAMP_LIFETIME)
        assert self.signers.virtual_keys is not None
        delegations = delegation_to(self.signers.virtual_keys.public_key)
        targets = release.new_targets(bundles.listed(documents, delegations), delegations)
        newest = self.store.latest_version(self.org_id, VIRTUAL_KEYS)
        keys = stored_file(self.store, self.org_id, VIRTUAL_KEYS, newest) if newest else None
        if "keys.json" in documents:
            keys = release.new_keys(targets, documents["keys.json"])
        version = release.show(STABLE, targets, keys)
        release.publish()
        return version

    def renew(self) -> tuple[str, ...]:
        """Re-sign what is due, as ``serve`` does on its schedule."""
        return bundles.renew(self.store, self.org_id, self.signers, self.clock())

    def create_key(self, **fields: object) -> str:
        """Make a virtual key, publish it, and return its text. ``fields`` override ``VirtualKeyDigest``'s."""
        text = new_key_text("test", os.urandom)
        entry = {
            "id": f"key-{len(self.keys) + 1}",
            "prefix": key_prefix(text),
            "pepper_id": self.pepper_id,
            "digest": key_digest(self.pepper, text),
            "group": "default",
        }
        self.keys.append(VirtualKeyDigest.model_validate(entry | fields))
        self.publish(keys=KeysDocument(schema_version="1", keys=self.keys))
        return text

    def set_secret(self, name: str, value: str) -> None:
        """Set one of the org's secrets, for example ``provider/openai``."""
        self.secrets[name] = value
        self.secrets_version += 1

    def create_token(self, outpost_id: str = "edge-1", lifetime: timedelta = timedelta(minutes=15)) -> str:
        """Register an outpost if needed and return the text of a token for it."""
        at = self.clock()
        self.registry.outposts.setdefault(
            outpost_id, OutpostRecord(OutpostId(outpost_id), self.org_id, outpost_id, created_at=at)
        )
        token = make_token(outpost_id, certificate_sha256(self.root.certificate), os.urandom)
        self.registry.tokens[token.secret_sha256] = TokenRecord(
            token.secret_sha256, outpost_id, at + lifetime, spent_at=None, certificate_sha256=None
        )
        return token.text

    def revoke(self, outpost_id: str) -> None:
        """Revoke an outpost."""
        self.registry.outposts[outpost_id] = replace(self.registry.outposts[outpost_id], revoked_at=self.clock())

    @property
    def anchor_pem(self) -> str:
        """The trust anchor."""
        return _pem(self.root.certificate)

    @property
    def tuf_root(self) -> bytes:
        """The root an outpost trusts from enrolment on."""
        root = self.store.metadata(self.org_id, "root", 1)
        assert root is not None
        return root

    # What an outpost sees

    def transport(self) -> httpx.MockTransport:
        """For ``httpx.Client`` and ``httpx.AsyncClient`` alike."""
        return httpx.MockTransport(self.handler)

    def handler(self, request: httpx.Request) -> httpx.Response:
        """Answer one request as the control plane would."""
        self.requests.append((request.method, request.url.path))
        if self.down:
            raise httpx.ConnectError("the control plane is down", request=request)
        try:
            status, body = self._answer(request)
        except ControlPlaneError as err:
            status, body = row_for(err).status, body_for(err)
        except ValidationError:
            status, body = 400, ErrorBody(code=ErrorCode.INVALID_REQUEST, message="malformed body")
        if isinstance(body, bytes):
            return httpx.Response(status, content=body)
        return httpx.Response(status, content=body.model_dump_json(), headers={"Content-Type": "application/json"})

    def _answer(self, request: httpx.Request) -> Answer:
        route = (request.method, request.url.path)
        if route == ("GET", routes.ANCHORS):
            return 200, Anchors(anchors_pem=[_pem(anchor) for anchor in self._anchors()])
        if route == ("POST", routes.ENROL):
            return 200, self._enrol(EnrolRequest.model_validate_json(request.content))
        if route == ("POST", routes.RECOVER):
            return 200, self._recover(RecoverRequest.model_validate_json(request.content))
        if route == ("GET", routes.PUBLIC_CRL):
            return 200, self._crl_of(request.url.params.get("issuer"))
        if not request.url.path.startswith(routes.OUTPOST_PREFIX):
            raise NotFound("no such route")
        outpost = self._require_peer()
        for method, pattern, answer in self._outpost_routes():
            match = re.fullmatch(pattern, request.url.path)
            if match and method == request.method:
                return answer(outpost, request, *match.groups())
        raise NotFound("no such route")

    def _outpost_routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        file = re.escape("{filename}")
        return [
            ("GET", re.escape(routes.TUF_METADATA).replace(file, "([^/]+)"), self._metadata),
            ("GET", re.escape(routes.TUF_TARGETS).replace(file, "([^/]+)"), self._target),
            ("GET", routes.WATCH, self._watch),
            ("POST", routes.HEARTBEAT, self._heartbeat),
            ("POST", routes.AUDIT, self._audit),
            ("GET", routes.SECRETS, self._secrets),
            ("GET", routes.CRL, self._crl),
            ("GET", routes.TRUST, self._trust),
            ("POST", routes.CERTIFICATE, self._renew),
        ]

    def _enrol(self, request: EnrolRequest) -> EnrolResponse:
        enrolment = enroll(
            request,
            store=self.registry,
            issuer=self._issuer(),
            anchors_sha256=[certificate_sha256(anchor) for anchor in self._anchors()],
            at=self.clock(),
        )
        if isinstance(enrolment, TokenUsed):
            raise enrolment
        self.peer = enrolment.outpost.id
        return EnrolResponse(
            org_id=self.org_id,
            outpost_id=enrolment.outpost.id,
            trust_domain=self.trust_domain,
            certificate_pem=enrolment.certificate.pem,
            intermediates_pem=[_pem(self.intermediate.certificate)],
            anchors_pem=[_pem(anchor) for anchor in self._anchors()],
            tuf_root=base64.b64encode(self.tuf_root),
            receipt_vkey=self.receipt_signer.vkey,
            sync_url=self.sync_url,
        )

    def _require_peer(self) -> OutpostRecord:
        outpost = self.registry.outpost(self.peer or "")
        assert outpost is not None, "nobody has enrolled yet: set FakeControlPlane.peer"
        if outpost.revoked_at is not None:
            raise OutpostRevoked("this outpost is revoked")
        return outpost

    def _metadata(self, outpost: OutpostRecord, request: httpx.Request, filename: str) -> Answer:
        return 200, bundles.metadata_by_filename(self.store, self.org_id, filename)

    def _target(self, outpost: OutpostRecord, request: httpx.Request, filename: str) -> Answer:
        return 200, bundles.target_by_filename(self.store, self.org_id, filename)

    def _watch(self, outpost: OutpostRecord, request: httpx.Request) -> Answer:
        """Answers at once: a fake has no patience to test."""
        return 200, WatchReply(snapshot_version=self.store.latest_version(self.org_id, "snapshot"))

    def _heartbeat(self, outpost: OutpostRecord, request: httpx.Request) -> Answer:
        beat = Heartbeat.model_validate_json(request.content)
        self.heartbeats.append(beat)
        used = self.registry.certificate(bytes.fromhex(beat.certificate_sha256 or ""))
        renew = used is not None and used.authority != self.state.active(Kind.INTERMEDIATE).name
        return 200, HeartbeatReply(
            server_time=self.clock(), interval_s=30, trust_generation=self.state.generation, renew=renew
        )

    def _trust(self, outpost: OutpostRecord, request: httpx.Request) -> Answer:
        return 200, trust_update(self.state)

    def _renew(self, outpost: OutpostRecord, request: httpx.Request) -> Answer:
        certificate, _ = renew(
            self.registry,
            outpost,
            csr_pem=RenewRequest.model_validate_json(request.content).csr_pem,
            presented_sha256=b"",  # without TLS nobody knows
            issuer=self._issuer(),
            authority=self.state.active(Kind.INTERMEDIATE).name,
            at=self.clock(),
        )
        return 200, CertificateResponse(certificate_pem=certificate.pem, trust=trust_update(self.state))

    def _recover(self, request: RecoverRequest) -> CertificateResponse:
        attempt = recover(
            request,
            store=self.registry,
            issuer=self._issuer(),
            authority=self.state.active(Kind.INTERMEDIATE).name,
            retired_at={one.name: one.retired_at for one in self.state.authorities if one.retired_at},
            policy=self.recovery,
            at=self.clock(),
        )
        if attempt.certificate is None:
            assert attempt.refusal is not None
            raise attempt.refusal
        self.peer = attempt.outpost_id
        return CertificateResponse(certificate_pem=attempt.certificate.pem, trust=trust_update(self.state))

    def _anchors(self) -> list[x509.Certificate]:
        """Those that count; the one root of a test's own if it put one in place of ours."""
        trusted = [one.certificate for one in self.state.trusted(Kind.ROOT)]
        return trusted if self.root.certificate in trusted else [self.root.certificate]

    def _issuer(self) -> OutpostIssuer:
        return outpost_issuer(self.intermediate, self.trust_domain, self.state.active(Kind.INTERMEDIATE).name)

    def _audit(self, outpost: OutpostRecord, request: httpx.Request) -> Answer:
        batch = AuditBatch.model_validate_json(request.content)
        store = MemoryAuditStore(self.audit_events, self.audit_heads)
        return 200, take_batch(
            store, outpost, batch, trust_domain=self.trust_domain, signer=self.receipt_signer, at=self.clock()
        )

    def _secrets(self, outpost: OutpostRecord, request: httpx.Request) -> Answer:
        info = secrets_info(self.org_id, outpost.id, self.secrets_version)
        sealed = seal_secrets(self.secrets, outpost.hpke_public_key or b"", info)
        return 200, SealedSecrets(version=self.secrets_version, sealed=base64.b64encode(sealed))

    def _crl(self, outpost: OutpostRecord, request: httpx.Request) -> Answer:
        issued = [one for one in self.registry.certificates.values() if one.outpost_id == outpost.id]
        issuer = self.state.named(issued[-1].authority) if issued else None
        return 200, self._crl_of(issuer.key_id if issuer else None)

    def _crl_of(self, key_id: str | None) -> bytes:
        active = self.state.active(Kind.INTERMEDIATE)
        record = (self.state.with_key_id(key_id) if key_id else None) or active
        revoked = [
            Revoked(int(certificate.serial, 16), self.clock())
            for certificate in self.registry.certificates.values()
            if self.registry.outposts[certificate.outpost_id].revoked_at is not None
            and certificate.authority == record.name
        ]
        number = len(self.requests)
        authority = self.intermediate if record is active else self._authorities[record.name]
        return authority.issue_crl(revoked, number, self.clock()).public_bytes(Encoding.DER)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()

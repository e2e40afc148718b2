"""A control plane whose authorities rotate, certificates expire and outposts are revoked; TLS is played, not spoken.

Each outpost has its own transport (``transport_for``): who calls is known from the certificate it would show, which is
verified as TLS and the application would, and the server's chain is verified with the caller's anchors.
"""

import ssl
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from outpost.protocol import routes
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import (
    CertificateResponse,
    EnrolRequest,
    EnrolResponse,
    ErrorBody,
    HeartbeatReply,
    RecoverRequest,
    RenewRequest,
    TrustUpdate,
)
from outpost.protocol.recovery import recovery_statement
from outpost.sync.identity import Identity
from pki.authority import Authority, create_intermediate, create_root
from pki.csr import parse_csr
from pki.errors import CertificateInvalid, Reason
from pki.keys import certificate_sha256, generate_private_key
from pki.names import SpiffeId
from pki.revocation import Revoked
from pki.signer import LocalSigner
from pki.verify import Purpose, TrustStore, verify_chain, verify_outpost
from tests.fakes.control_plane import FakeControlPlane

RECOVERY_WINDOW = timedelta(days=30)
_OWN = {routes.HEALTHZ, routes.PUBLIC_CRL, routes.RECOVER, routes.TRUST, routes.CRL, routes.CERTIFICATE}
_PUBLIC = ("/enroll/", routes.HEALTHZ)


class RotatingPlane(FakeControlPlane):
    """``refuse_recovery`` is the code with which recovery is refused; ``served`` counts renewals and recoveries."""

    def __init__(self, clock, **settings) -> None:
        super().__init__(clock, **settings)
        self.intermediate_key = self.intermediate._issuer.signer._key
        self.generation = 1
        self.anchors: list[Authority] = [self.root]
        self.intermediates: list[Authority] = [self.intermediate]
        self.crosses: list[x509.Certificate] = []
        self.server_authority = self.intermediate
        self.renew_asked = False
        self.hangs_up = False
        """Refuses certificates as many servers do: by closing, so that the alert is lost."""
        self.refuse_recovery: ErrorCode | None = None
        self.renewed: list[str] = []
        self.recovered: list[str] = []
        self.serials: dict[str, set[int]] = {}
        self.revoked_serials: set[int] = set()
        self.crl_number = 1
        self.proxied_by: x509.Certificate | None = None
        self.beats: dict[str, list] = {}

    @property
    def intermediate(self) -> Authority:
        """The one that issues now."""
        return self.__dict__.get("issuing") or super().intermediate

    @intermediate.setter
    def intermediate(self, authority: Authority) -> None:
        self.__dict__["issuing"] = authority

    # What an operator does

    def new_intermediate(self, root: Authority | None = None) -> Authority:
        """A further intermediate, already announced."""
        made = create_intermediate(
            root or self.anchors[-1],
            LocalSigner(generate_private_key()),
            trust_domain=self.trust_domain,
            common_name=f"Test intermediate {len(self.intermediates) + 1}",
            at=self.clock(),
        )
        self.intermediates.append(made)
        self.generation += 1
        return made

    def activate(self, intermediate: Authority) -> None:
        """Issue with another intermediate from now on, and ask everybody to renew."""
        self.intermediate = self.server_authority = intermediate
        self.generation += 1
        self.renew_asked = True

    def new_root(self) -> Authority:
        """Prepare a root: announced, cross-certified by the one before."""
        old = self.anchors[-1]
        name = f"Test root {self.generation + 1}"
        signer = LocalSigner(generate_private_key())
        made = create_root(signer, trust_domain=self.trust_domain, common_name=name, at=self.clock())
        self.crosses.append(old.cross_sign(made.certificate, self.clock()))
        self.anchors.append(made)
        self.generation += 1
        return made

    def retire_old_root(self) -> None:
        """Trust the newest root alone."""
        self.anchors = self.anchors[-1:]
        newest = self.anchors[0].certificate.subject
        self.intermediates = [each for each in self.intermediates if each.certificate.issuer == newest]
        self.generation += 1
        self.renew_asked = False

    def revoke_signed(self, outpost_id: str) -> None:
        """Revoke in the registry and on the list."""
        self.revoke(outpost_id)
        self.revoked_serials |= self.serials[outpost_id]
        self.crl_number += 1

    def pardon(self, outpost_id: str) -> None:
        """Take a revocation back."""
        self.registry.outposts[outpost_id] = replace(self.registry.outposts[outpost_id], revoked_at=None)
        self.revoked_serials.clear()
        self.crl_number += 1

    # What an outpost sees

    def transport_for(self, identity: Identity) -> httpx.MockTransport:
        """The network as ``identity`` sees it, with its certificate on the mutual-TLS port."""
        return httpx.MockTransport(lambda request: self._over_tls(request, identity))

    def _over_tls(self, request: httpx.Request, identity: Identity) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("the control plane is down", request=request)
        if request.url.path in _OWN:
            self.requests.append((request.method, request.url.path))
        if request.url.path == routes.HEALTHZ:
            return self._dated(httpx.Response(200))
        self._verify_server(identity)
        if request.url.path == routes.PUBLIC_CRL:
            return self._dated(httpx.Response(200, content=self.crl_for(identity)))
        if request.url.path == routes.RECOVER:
            return self._dated(self._answer_json(*self._recover(request)))
        if request.url.path.startswith(_PUBLIC):
            return self._dated(self.handler(request))
        refusal = self._verify_client(identity)
        if refusal is not None:
            return self._dated(self._answer_json(403, refusal))
        self.peer = identity.outpost_id
        if self.registry.outposts[identity.outpost_id].revoked_at is not None:
            self.requests.append((request.method, request.url.path))
            return self._dated(self._answer_json(*_refusal(ErrorCode.OUTPOST_REVOKED)))
        return self._dated(self._mutual(request, identity))

    def _mutual(self, request: httpx.Request, identity: Identity) -> httpx.Response:
        route = (request.method, request.url.path)
        if route == ("GET", routes.TRUST):
            return self._answer_json(200, self.trust_update())
        if route == ("GET", routes.CRL):
            return httpx.Response(200, content=self.crl_for(identity))
        if route == ("POST", routes.CERTIFICATE):
            self.renewed.append(identity.outpost_id)
            csr_pem = RenewRequest.model_validate_json(request.content).csr_pem
            return self._answer_json(200, self._issue(csr_pem, identity.outpost_id))
        response = self.handler(request)
        if route == ("POST", routes.HEARTBEAT) and response.is_success:
            beat = self.heartbeats[-1]
            self.beats.setdefault(identity.outpost_id, []).append(beat)
            needs = self.renew_asked and identity.certificate.issuer != self.intermediate.certificate.subject
            return self._answer_json(
                200,
                HeartbeatReply(server_time=self.clock(), interval_s=30, trust_generation=self.generation, renew=needs),
            )
        return response

    def trust_update(self) -> TrustUpdate:
        return TrustUpdate(
            generation=self.generation,
            anchors_pem=[_pem(each.certificate) for each in self.anchors],
            intermediates_pem=[_pem(each.certificate) for each in self.intermediates],
            cross_certificates_pem=[_pem(each) for each in self.crosses],
        )

    def crl_for(self, identity: Identity) -> bytes:
        """The list of the intermediate that issued the caller's certificate."""
        known = [each for each in self.intermediates if each.certificate.subject == identity.certificate.issuer]
        signer = known[0] if known else self.intermediate
        entries = [Revoked(serial, self.clock()) for serial in sorted(self.revoked_serials)]
        return signer.issue_crl(entries, self.crl_number, self.clock()).public_bytes(Encoding.DER)

    def _issue(self, csr_pem: str, outpost_id: str) -> CertificateResponse:
        spiffe_id = SpiffeId(self.trust_domain, self.org_id, outpost_id)
        certificate = self.intermediate.issue_outpost(spiffe_id, parse_csr(csr_pem.encode()), self.clock())
        self.serials.setdefault(outpost_id, set()).add(certificate.serial_number)
        return CertificateResponse(certificate_pem=_pem(certificate), trust=self.trust_update())

    def _enrol(self, request: EnrolRequest) -> EnrolResponse:
        answer = super()._enrol(request)
        issued = self._issue(request.csr_pem, answer.outpost_id)
        help_along = [_pem(self.intermediate.certificate), *map(_pem, self.crosses)]
        return answer.model_copy(update={"certificate_pem": issued.certificate_pem, "intermediates_pem": help_along})

    def _recover(self, request: httpx.Request):
        recovery = RecoverRequest.model_validate_json(request.content)
        old = x509.load_pem_x509_certificate(recovery.certificate_pem.encode())
        (uri,) = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        outpost_id = uri.value.rsplit("/", 1)[-1]
        csr_der = x509.load_pem_x509_csr(recovery.csr_pem.encode()).public_bytes(Encoding.DER)
        statement = recovery_statement(old.public_bytes(Encoding.DER), csr_der)
        try:
            old.public_key().verify(recovery.proof, statement, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return _refusal(ErrorCode.RECOVERY_INVALID)
        if outpost_id not in self.registry.outposts:
            return _refusal(ErrorCode.UNKNOWN_OUTPOST)
        if self.registry.outposts[outpost_id].revoked_at is not None:
            return _refusal(ErrorCode.OUTPOST_REVOKED)
        if self.refuse_recovery is not None:
            return _refusal(self.refuse_recovery)
        if self.clock() > old.not_valid_after_utc + RECOVERY_WINDOW:
            return _refusal(ErrorCode.RECOVERY_EXPIRED)
        self.recovered.append(outpost_id)
        return 200, self._issue(recovery.csr_pem, outpost_id)

    def _verify_server(self, identity: Identity) -> None:
        leaf = self._server_leaf()
        sent = [self.server_authority.certificate, *self.crosses]
        if self.proxied_by is not None:
            leaf, sent = self.proxied_by, []
        try:
            store = TrustStore(identity.anchors)
            verify_chain(leaf, trust=store, at=self._client_clock(), purpose=Purpose.SERVER, extra_intermediates=sent)
        except CertificateInvalid as err:
            failure = ssl.SSLCertVerificationError("certificate verify failed")
            failure.verify_code = {Reason.NOT_YET_VALID: 9, Reason.EXPIRED: 10}.get(err.reason, 20)
            raise failure from err

    def _client_clock(self) -> datetime:
        """The outposts' clock; the plane's own unless a test sets ``outpost_clock``."""
        return getattr(self, "outpost_clock", self.clock)()

    def _server_leaf(self) -> x509.Certificate:
        key = ("server", certificate_sha256(self.server_authority.certificate))
        cache = self.__dict__.setdefault("_leaves", {})
        leaf = cache.get(key)
        if leaf is None or not leaf.not_valid_before_utc <= self.clock() <= leaf.not_valid_after_utc:
            names = ["control-plane.test"]
            leaf = self.server_authority.issue_server(names, generate_private_key().public_key(), self.clock())
            cache[key] = leaf
        return leaf

    def _verify_client(self, identity: Identity) -> ErrorBody | None:
        store = TrustStore(
            tuple(each.certificate for each in self.anchors),
            tuple([each.certificate for each in self.intermediates]),
        )
        try:
            verify_outpost(identity.certificate, trust=store, at=self.clock(), trust_domain=self.trust_domain)
        except CertificateInvalid as err:
            if self.hangs_up:
                raise httpx.ReadError("reset") from err
            alert = ssl.SSLError(1, "tlsv1 alert")
            alert.reason = {
                Reason.EXPIRED: "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            }.get(err.reason, "TLSV1_ALERT_UNKNOWN_CA")
            raise alert from err
        if identity.outpost_id not in self.registry.outposts:
            return ErrorBody(code=ErrorCode.UNKNOWN_OUTPOST, message="not in the registry")
        return None

    def _answer_json(self, status: int, message) -> httpx.Response:
        return httpx.Response(status, content=message.model_dump_json(exclude_none=True).encode())

    def _dated(self, response: httpx.Response) -> httpx.Response:
        response.headers["Date"] = self.clock().strftime("%a, %d %b %Y %H:%M:%S GMT")
        return response


def _refusal(code: ErrorCode) -> tuple[int, ErrorBody]:
    return 403, ErrorBody(code=code, message=f"refused: {code.value}")


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()

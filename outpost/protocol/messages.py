"""Messages between an outpost and its control plane, as frozen strict pydantic models.

Unknown fields are ignored so that a newer peer may add one (ADR-0004). Binary values are base64 text
(RFC 4648 §4, padded); times are RFC 3339 with an offset.
"""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, EncodedBytes, EncoderProtocol, Field
from pydantic_core import PydanticCustomError

from outpost.protocol.codes import ErrorCode
from outpost.protocol.ids import ID_PATTERN
from outpost.protocol.times import UtcTime

Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
# RFC 8259 §6: beyond this JSON readers disagree; it also fits every database's 64-bit integer.
MAX_INTEGER = 2**53 - 1
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Positive = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
MAX_REASON_CHARS = 1_024
Pem = Annotated[str, Field(min_length=1, max_length=16_384)]


class _Base64(EncoderProtocol):
    """Base64 that refuses what is not in its alphabet (RFC 4648 §3.3); pydantic's own skips it."""

    @classmethod
    def decode(cls, data: bytes) -> bytes:
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as err:
            raise PydanticCustomError("base64_decode", "must be base64 text") from err

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return base64.b64encode(value)

    @classmethod
    def get_json_format(cls) -> Literal["base64"]:
        return "base64"


Base64 = Annotated[bytes, EncodedBytes(encoder=_Base64)]


class Message(BaseModel):
    """Base of every message: immutable, strictly typed, tolerant of fields a newer peer may send."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Anchors(Message):
    """The control plane's trust anchors. Public; the enrolling outpost checks them against its token's fingerprint."""

    anchors_pem: list[Pem] = Field(min_length=1, max_length=8)


class EnrolRequest(Message):
    """``POST /enroll/v1/outposts``: a one-use token buys a certificate for a key made on the outpost."""

    token: str = Field(min_length=1, max_length=512)
    csr_pem: Pem
    hpke_public_key: Base64 = Field(max_length=2048)
    """MLKEM768-X25519 public key to which secrets are sealed (RFC 9180)."""
    audit_public_key: Base64 = Field(max_length=64)
    """Ed25519 public key, 32 bytes, that signs the outpost's audit checkpoints."""
    outpost_version: str = Field(max_length=64)


class EnrolResponse(Message):
    """Everything an outpost needs to work alone: its certificate, the anchors, the first trusted root."""

    org_id: Id
    outpost_id: Id
    trust_domain: str = Field(max_length=255)
    certificate_pem: Pem
    intermediates_pem: list[Pem] = Field(max_length=4)
    anchors_pem: list[Pem] = Field(min_length=1, max_length=8)
    tuf_root: Base64
    """Root metadata of the org's bundle repository, exactly as signed."""
    receipt_vkey: str = Field(max_length=512)
    """C2SP signed-note verifier key with which receipts are checked."""
    sync_url: str = Field(max_length=512)
    """Base URL of the mutual-TLS surface, without path."""


class BundleReport(Message):
    """What the outpost has of its bundle, and why it refused a newer one if it did."""

    snapshot_version: Count
    applied_at: UtcTime | None = None
    refused_version: Count | None = None
    refused_reason: str | None = Field(default=None, max_length=MAX_REASON_CHARS)


class Heartbeat(Message):
    """``POST /outpost/v1/heartbeat``."""

    outpost_version: str = Field(max_length=64)
    sent_at: UtcTime
    bundle: BundleReport | None
    audit_size: Count
    audit_delivered: Count
    certificate_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """The certificate in use."""
    trust_generation: Count | None = None
    """The generation whose anchors it trusts."""
    instance_id: str | None = Field(default=None, min_length=1, max_length=64)
    """Random per process start; two that alternate are two machines with one identity."""


class HeartbeatReply(Message):
    """The control plane's clock, and how soon it wants to hear again."""

    server_time: UtcTime
    interval_s: int = Field(ge=1, le=86_400)
    trust_generation: Count | None = None
    """The newest generation; ``GET /outpost/v1/trust`` has it."""
    renew: bool = False
    """Renew now, do not wait for half-life."""


class TrustUpdate(Message):
    """``GET /outpost/v1/trust``: the authorities that count now. During a rotation old and new overlap."""

    generation: Positive
    anchors_pem: list[Pem] = Field(min_length=1, max_length=8)
    intermediates_pem: list[Pem] = Field(max_length=8)
    cross_certificates_pem: list[Pem] = Field(default=[], max_length=8)
    """Each new root certified by an older one (RFC 4210 §4.4, NewWithOld): what makes a new anchor acceptable."""


class RenewRequest(Message):
    """``POST /outpost/v1/certificate``: a certificate for a new key, asked for with the current one."""

    csr_pem: Pem


class RecoverRequest(Message):
    """``POST /enroll/v1/recover``: a certificate that no longer opens the mutual-TLS door buys a new one."""

    certificate_pem: Pem
    csr_pem: Pem
    proof: Base64 = Field(max_length=512)
    """DER ECDSA-SHA256 by the old certificate's key over ``recovery_statement`` (outpost/protocol/recovery.py)."""


class CertificateResponse(Message):
    """A new certificate, and the authorities to check it and the control plane with."""

    certificate_pem: Pem
    trust: TrustUpdate


class WatchReply(Message):
    """``GET /outpost/v1/watch?after=N``: the newest snapshot version, once it is above ``after``."""

    snapshot_version: Count


class AuditGap(Message):
    """An event whose bytes the outpost has lost (disk damage); its leaf hash still proves its place in the tree."""

    seq: Count
    leaf_hash: str = Field(pattern=r"^[0-9a-f]{64}$")


class AuditBatch(Message):
    """``POST /outpost/v1/audit``: consecutive events and the signed head of the tree that ends with the last of them.

    The receiver rebuilds the tree over what it already has plus these events and compares roots, so a
    rewritten, dropped or forked event cannot be delivered unnoticed.
    """

    first_seq: Count
    """Leaf index (0-based) of the first event."""
    events: list[str] = Field(min_length=1, max_length=1000)
    """Each event's exact bytes, UTF-8 JSON."""
    checkpoint: str = Field(max_length=4096)
    """C2SP checkpoint note for tree size ``first_seq + len(events)``, signed by the outpost."""
    gaps: list[AuditGap] = Field(default=[], max_length=1000)
    """Events of this batch that are lost; their place in ``events`` is the empty string."""


class AuditReceipt(Message):
    """The control plane's word that it holds the log up to ``size``; the outpost may drop its queue so far."""

    size: Positive
    note: str = Field(max_length=8192)
    """The outpost's checkpoint with the control plane's signature line added."""


class SealedSecrets(Message):
    """Secrets of the org sealed to this outpost's key (HPKE base mode). ``info`` names org, outpost and version."""

    version: Positive
    sealed: Base64


class ErrorBody(Message):
    """The error envelope of the control plane's own surfaces."""

    code: ErrorCode
    message: str
    expected_seq: Count | None = None
    """With ``audit_invalid``: the sequence number at which the next audit batch must begin."""

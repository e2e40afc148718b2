"""Enrolment: a token, a key made here, and a certificate for it (design §4).

1. The token names the outpost and the fingerprint of the anchor. 2. The anchor is fetched without trust and kept
only if its SHA-256 is the token's. 3. From then on TLS is verified against that anchor alone, host name included.
4. The keys are on disk before the request leaves, so a lost answer is asked for again with the same keys and the
same token, which the control plane answers with the same certificate. 5. Nothing of the answer is stored before
all of it verifies. 6. ``identity.new`` becomes ``identity`` by one rename.
"""

import hmac
import json
import shutil
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import structlog
from cryptography import x509
from pydantic import ValidationError

from outpost.errors import (
    AlreadyEnrolled,
    ConfigError,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
    IdentityInvalid,
    Rejected,
    Unavailable,
)
from outpost.protocol import routes
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import Anchors, EnrolRequest, EnrolResponse
from outpost.sync.http_errors import MAX_ERROR_BYTES, error_of
from outpost.sync.identity import (
    DIRECTORY,
    NEW_DIRECTORY,
    Identity,
    Keys,
    generate_keys,
    is_enrolled,
    load_from,
    load_identity,
    load_keys,
    save_keys,
    save_public_parts,
    verify_identity,
)
from outpost.sync.tls import is_verification_failure, server_context
from outpost.sync.token import EnrolmentToken, parse_token
from outpost.sync.version import outpost_version
from pki.csr import make_csr
from pki.errors import CertificateInvalid
from pki.files import make_private_dir, write_private
from pki.keys import certificate_sha256
from pki.pem import parse_certificate

PENDING_FILE: Final = "pending.json"
"""Written after the keys: says for which token they are, and that all of them are there."""
TIMEOUT_S: Final = 30.0  # a person waits for this; an enrolment is two small requests
MAX_ANSWER_BYTES: Final = 1_048_576  # certificates and one root of at most 512 KB, in base64

_log = structlog.get_logger(__name__)
_ADVICE: Final = {
    ErrorCode.TOKEN_INVALID: "check that the whole token was copied and that this is the control plane that made it",
    ErrorCode.TOKEN_USED: "ask for a new token",
    ErrorCode.TOKEN_EXPIRED: "ask for a new token and use it within its lifetime",
    ErrorCode.OUTPOST_REVOKED: "this outpost was revoked; ask the operator of the control plane",
}


def utc_now() -> datetime:
    """The default clock."""
    return datetime.now(UTC)


def register(
    control_plane_url: str,
    token: str,
    data_dir: Path,
    *,
    transport: httpx.BaseTransport | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Identity:
    """Enrol this data directory and return its identity, which is on disk and durable.

    Raises:
        AlreadyEnrolled: There is an identity; nothing was changed.
        ConfigError: The URL is not ``https://host[:port]``.
        Rejected: The control plane refuses, with its code and what to do about it.
        ControlPlaneUnavailable: No answer; running it again with the same token carries on.
        ControlPlaneUntrusted: The other end is not the control plane the token names, or its answer does not verify.
        IdentityInvalid: There is an identity, but it is damaged; nothing was changed.
        Unavailable: The data directory cannot be written.
    """
    base_url = _require_base_url(control_plane_url)
    parsed = parse_token(token)
    if is_enrolled(data_dir):
        raise AlreadyEnrolled(load_identity(data_dir, clock()).outpost_id)
    try:
        complete = complete_leftover(data_dir, clock())
        if complete is not None and complete.outpost_id != parsed.outpost_id:
            raise AlreadyEnrolled(complete.outpost_id)
        if complete is not None:
            return complete
        keys = keys_for(parsed, data_dir)
        anchor = _fetch_anchor(base_url, parsed, transport)
        answer = _request_certificate(base_url, parsed, keys, anchor, transport)
        identity = verified_identity(answer, parsed, keys, anchor, data_dir / NEW_DIRECTORY, clock())
        identity = replace(identity, enrol_url=base_url)
        save_public_parts(identity)
        return move_into_place(data_dir, clock())
    except OSError as err:
        raise Unavailable(f"cannot write to {data_dir}: {err.strerror}") from err


def _require_base_url(url: str) -> str:
    problem = f"the control plane URL must be https://host[:port] without a path, for example {_EXAMPLE_URL}"
    try:
        parts = urlsplit(url.strip())
        has_port_or_default = parts.port is None or parts.port > 0
    except ValueError as err:
        raise ConfigError([problem]) from err
    extras = parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
    if parts.scheme != "https" or not parts.hostname or extras or not has_port_or_default:
        raise ConfigError([problem])
    return f"https://{parts.netloc}"


_EXAMPLE_URL: Final = "https://control-plane.example:8100"


def complete_leftover(data_dir: Path, at: datetime) -> Identity | None:
    """Finish an enrolment that stopped after everything was written and before the rename."""
    directory = data_dir / NEW_DIRECTORY
    if not directory.exists():
        return None
    try:
        load_from(directory, at)
    except IdentityInvalid:
        return None  # the usual leftover: keys whose answer never came, or half-written ones
    _log.info("enrolment_completed_from_leftover", outpost_data_dir=str(data_dir))
    return move_into_place(data_dir, at)


def keys_for(token: EnrolmentToken, data_dir: Path) -> Keys:
    """The keys made for this token before, or new ones; on disk before they are used."""
    directory = data_dir / NEW_DIRECTORY
    if directory.exists():
        if _pending_token(directory) == token.sha256:
            return load_keys(directory)
        # Keys no certificate was received for. With another token another request begins.
        shutil.rmtree(directory)
    keys = generate_keys()
    data_dir.mkdir(parents=True, exist_ok=True)
    make_private_dir(directory)
    save_keys(directory, keys)
    write_private(directory / PENDING_FILE, json.dumps({"token_sha256": token.sha256}).encode())
    return keys


def _pending_token(directory: Path) -> str | None:
    try:
        pending = json.loads((directory / PENDING_FILE).read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return pending.get("token_sha256") if isinstance(pending, dict) else None


def _fetch_anchor(base_url: str, token: EnrolmentToken, transport: httpx.BaseTransport | None) -> x509.Certificate:
    # Nothing is sent but the path and nothing is believed but what has the token's fingerprint.
    client = httpx.Client(verify=False, transport=transport, timeout=TIMEOUT_S)  # noqa: S501 - see the line above
    try:
        with client:
            body = _call(client, "GET", base_url + routes.ANCHORS, None)
        pems = Anchors.model_validate_json(body).anchors_pem
        anchors = [parse_certificate(pem.encode()) for pem in pems]
    except (Rejected, ValidationError, CertificateInvalid) as err:
        # A refusal, too: nobody has been shown the token yet, so whatever code it carries is not about it.
        raise ControlPlaneUntrusted(
            f"{base_url} answers, but not as a control plane does: check the URL (the enrolment port is 8100)"
        ) from err
    for anchor in anchors:
        if hmac.compare_digest(certificate_sha256(anchor), token.anchor_sha256):
            return anchor
    raise ControlPlaneUntrusted(
        f"{base_url} is not the control plane that made this token (its trust anchor is another): "
        "check the URL, or ask for a new token if the authority was replaced"
    )


def enrol_request(token: EnrolmentToken, keys: Keys) -> EnrolRequest:
    """What is asked for with a token: a certificate for these keys."""
    return EnrolRequest.model_construct(
        token=token.text,
        csr_pem=make_csr(keys.tls).decode("ascii"),
        hpke_public_key=keys.hpke.public_bytes,
        audit_public_key=keys.audit.public_key().public_bytes_raw(),
        outpost_version=outpost_version(),
    )


def _request_certificate(
    base_url: str,
    token: EnrolmentToken,
    keys: Keys,
    anchor: x509.Certificate,
    transport: httpx.BaseTransport | None,
) -> EnrolResponse:
    request = enrol_request(token, keys)
    with httpx.Client(verify=server_context([anchor]), transport=transport, timeout=TIMEOUT_S) as client:
        try:
            body = _call(client, "POST", base_url + routes.ENROL, request.model_dump_json().encode())
        except Rejected as err:
            advice = _ADVICE.get(err.code)
            raise Rejected(err.code, f"{err.message}; {advice}" if advice else err.message) from err
    try:
        return EnrolResponse.model_validate_json(body)
    except ValidationError as err:
        raise ControlPlaneUntrusted("the control plane's answer is not an enrolment; nothing was stored") from err


def _call(client: httpx.Client, method: str, url: str, content: bytes | None) -> bytes:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if content is not None:
        headers["Content-Type"] = "application/json"
    try:
        with client.stream(method, url, content=content, headers=headers) as response:
            body = _read(response, MAX_ANSWER_BYTES if response.is_success else MAX_ERROR_BYTES)
            if not response.is_success:
                raise error_of(response.status_code, response.headers.get("Retry-After"), body or b"")
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as err:
        raise _connection_error(url, err) from err
    if body is None:
        raise ControlPlaneUntrusted("the answer is compressed or far larger than an enrolment's; nothing was stored")
    return body


def _read(response: httpx.Response, max_bytes: int) -> bytes | None:
    """The body, or None as soon as it passes ``max_bytes``, or if it is compressed and could hide its size."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > max_bytes:
            return None
    return bytes(body)


def _connection_error(url: str, err: Exception) -> ControlPlaneUnavailable | ControlPlaneUntrusted:
    parts = urlsplit(url)
    if is_verification_failure(err):
        return ControlPlaneUntrusted(
            f"the TLS certificate of {parts.netloc} does not lead to the anchor in the token, or is for another name: "
            "an intercepting proxy may be in between (exempt this host from inspection), or the URL's host is not one "
            "of the control plane's names"
        )
    if isinstance(err, httpx.ConnectError):
        return ControlPlaneUnavailable(
            f"cannot connect to {parts.netloc}: check the address and port (8100 by default), the firewall, and "
            "HTTPS_PROXY/NO_PROXY"
        )
    if isinstance(err, httpx.TimeoutException):
        return ControlPlaneUnavailable(f"{parts.netloc} did not answer within {TIMEOUT_S:.0f} s; run it again")
    return ControlPlaneUnavailable(
        f"the exchange with {parts.netloc} broke off ({type(err).__name__}); run it again with the same token, and if "
        "it breaks off again check that this is the enrolment port (8100 by default, not 8443)"
    )


def verified_identity(
    answer: EnrolResponse,
    token: EnrolmentToken,
    keys: Keys,
    anchor: x509.Certificate,
    directory: Path,
    at: datetime,
) -> Identity:
    """The answer as an identity, if all of it verifies.

    Only the anchor of the token is kept: a second one that the answer names is not vouched for by anything yet.
    """
    if answer.outpost_id != token.outpost_id:
        raise ControlPlaneUntrusted("the control plane answered for another outpost than the token's; nothing stored")
    _require_sync_url(answer.sync_url)
    try:
        identity = Identity(
            directory=directory,
            org_id=answer.org_id,
            outpost_id=answer.outpost_id,
            trust_domain=answer.trust_domain,
            sync_url=answer.sync_url.rstrip("/"),
            receipt_vkey=answer.receipt_vkey,
            keys=keys,
            certificate=parse_certificate(answer.certificate_pem.encode()),
            intermediates=tuple(parse_certificate(pem.encode()) for pem in answer.intermediates_pem),
            anchors=(anchor,),
            tuf_root=answer.tuf_root,
        )
        verify_identity(identity, at)
    except (CertificateInvalid, IdentityInvalid) as err:
        raise ControlPlaneUntrusted(f"the control plane's answer does not verify; nothing was stored: {err}") from err
    if not identity.is_current(at):
        raise ControlPlaneUntrusted(
            "the new certificate is not valid now by this machine's clock; nothing was stored: set the clock and retry"
        )
    return identity


def _require_sync_url(url: str) -> None:
    try:
        _require_base_url(url)
    except ConfigError as err:
        raise ControlPlaneUntrusted("the control plane's answer names no usable sync URL; nothing was stored") from err


def move_into_place(data_dir: Path, at: datetime) -> Identity:
    directory = data_dir / NEW_DIRECTORY
    (directory / PENDING_FILE).unlink(missing_ok=True)
    directory.rename(data_dir / DIRECTORY)
    identity = load_identity(data_dir, at)  # what is on disk, not what was in memory, is what the next start has
    make_private_dir(identity.directory)  # syncs the parent: the rename is durable from here on
    _log.info("enrolled", outpost_id=identity.outpost_id, org_id=identity.org_id)
    return identity

"""Enrolment in two files, for a site without a network: the request goes out, the answer comes back.

The same keys, token and checks as ``outpost/sync/enrol.py``. What takes the place of the first contact: the token's
fingerprint picks the anchor out of the answer, and only an answer whose certificate leads to that anchor is kept. The
request holds the token, which is worth a certificate until it is spent: carry it as such.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from pydantic import ValidationError

from outpost.errors import AlreadyEnrolled, ControlPlaneUntrusted, InputUnusable, Unavailable
from outpost.protocol.ids import OutpostId
from outpost.protocol.messages import EnrolRequest, EnrolResponse
from outpost.sync.enrol import (
    complete_leftover,
    enrol_request,
    keys_for,
    move_into_place,
    utc_now,
    verified_identity,
)
from outpost.sync.identity import NEW_DIRECTORY, Identity, is_enrolled, load_identity, load_keys, save_public_parts
from outpost.sync.token import EnrolmentToken, parse_token
from pki.errors import CertificateInvalid
from pki.files import write_private
from pki.keys import certificate_sha256
from pki.pem import parse_certificate

WAITING_FILE: Final = "waiting.json"
"""Beside the keys that wait for an answer: whose it must be."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    outpost_id: OutpostId
    anchor_sha256: bytes


def make_request(token: str, data_dir: Path, *, clock: Callable[[], datetime] = utc_now) -> EnrolRequest:
    """Make keys, on disk before they are used, and the request that a token buys their certificate with.

    The same token again gives a request with the same keys.

    Raises:
        AlreadyEnrolled: There is an identity; nothing was changed.
        Rejected: The token is malformed.
        Unavailable: The data directory cannot be written.
    """
    parsed = parse_token(token)
    try:
        _require_not_enrolled(data_dir, clock())
        keys = keys_for(parsed, data_dir)
        waiting = {"outpost_id": parsed.outpost_id, "anchor_sha256": base64.b64encode(parsed.anchor_sha256).decode()}
        write_private(data_dir / NEW_DIRECTORY / WAITING_FILE, json.dumps(waiting).encode())
    except OSError as err:
        raise Unavailable(f"cannot write to {data_dir}: {err.strerror}") from err
    return enrol_request(parsed, keys)


def take_answer(content: bytes, data_dir: Path, *, clock: Callable[[], datetime] = utc_now) -> Identity:
    """The identity that an answer completes, durable on disk.

    Raises:
        AlreadyEnrolled: There is an identity; nothing was changed.
        InputUnusable: Nothing waits for an answer here.
        ControlPlaneUntrusted: It is no answer to the request that was made here; nothing was stored.
        Unavailable: The data directory cannot be written.
    """
    try:
        _require_not_enrolled(data_dir, clock())
        waiting = _waiting(data_dir)
        try:
            answer = EnrolResponse.model_validate_json(content)
        except (ValidationError, RecursionError) as err:
            raise ControlPlaneUntrusted("the file is not an enrolment's answer; nothing was stored") from err
        directory = data_dir / NEW_DIRECTORY
        token = EnrolmentToken("", waiting.outpost_id, waiting.anchor_sha256)
        anchor = _anchor(answer, waiting.anchor_sha256)
        save_public_parts(verified_identity(answer, token, load_keys(directory), anchor, directory, clock()))
        (directory / WAITING_FILE).unlink()
        return move_into_place(data_dir, clock())
    except OSError as err:
        raise Unavailable(f"cannot write to {data_dir}: {err.strerror}") from err


def _require_not_enrolled(data_dir: Path, at: datetime) -> None:
    if is_enrolled(data_dir):
        raise AlreadyEnrolled(load_identity(data_dir, at).outpost_id)
    complete = complete_leftover(data_dir, at)
    if complete is not None:
        raise AlreadyEnrolled(complete.outpost_id)


def _waiting(data_dir: Path) -> _Waiting:
    try:
        found = json.loads((data_dir / NEW_DIRECTORY / WAITING_FILE).read_bytes())
        return _Waiting(OutpostId(str(found["outpost_id"])), base64.b64decode(found["anchor_sha256"], validate=True))
    except (FileNotFoundError, ValueError, RecursionError, KeyError, TypeError, binascii.Error) as err:
        raise InputUnusable("nothing waits for an answer here: begin with `outpost register --request FILE`") from err


def _anchor(answer: EnrolResponse, sha256: bytes) -> x509.Certificate:
    try:
        anchors = [parse_certificate(pem.encode()) for pem in answer.anchors_pem]
    except CertificateInvalid as err:
        raise ControlPlaneUntrusted(f"the answer does not verify; nothing was stored: {err}") from err
    for anchor in anchors:
        if hmac.compare_digest(certificate_sha256(anchor), sha256):
            return anchor
    raise ControlPlaneUntrusted(
        "the answer is not of the control plane that made the token (its trust anchor is another); nothing was stored"
    )

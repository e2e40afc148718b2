"""A site without a network: what is carried there and back in files, by the operations that serve the network too.

Nothing here decides anything: enrolment, sealing, revocation lists and audit intake are the same calls that the
listeners make, so a file buys no more than a request would.
"""

import base64
from collections.abc import Iterable
from datetime import timedelta

from control_plane.authorities import Kind
from control_plane.errors import InvalidRequest, NotFound, UnknownOutpost
from control_plane.operations import Operations
from control_plane.outposts import OutpostRecord
from control_plane.release import STABLE
from outpost.protocol.bundle_file import CRLS, SECRETS, BundleFileInvalid, write_bundle_file
from outpost.protocol.messages import AuditBatch, AuditReceipt, EnrolRequest, EnrolResponse

_ENROL_INTERMEDIATES = 4  # as many as ``EnrolResponse`` takes


def export_bundle(
    operations: Operations, org_id: str, outpost_id: str | None = None, lifetime: timedelta | None = None
) -> bytes:
    """One file with the org's bundle, secrets sealed to each outpost (or to one), and the revocation lists.

    Raises:
        NotFound, UnknownOutpost: There is no such org, or no such outpost in it.
        InvalidRequest: It is too much for one file.
    """
    records = [record for record, _ in operations.outposts(org_id) if record.revoked_at is None]
    if outpost_id is not None:
        records = [record for record in records if record.id == outpost_id]
        if not records:
            raise UnknownOutpost(f"org {org_id} has no outpost {outpost_id}; see `control-plane outpost list`")
    audience = STABLE if outpost_id is None else operations.policy.audience(org_id, outpost_id)
    files = operations.policy.carried(org_id, audience, lifetime)
    for record in records:
        if record.hpke_public_key is not None:
            sealed = operations.seal_secrets(record)
            files[f"{SECRETS}{record.id}.json"] = sealed.model_dump_json().encode()
    files |= _revocation_lists(operations)
    try:
        return write_bundle_file(files)
    except BundleFileInvalid as err:
        raise InvalidRequest(f"the bundle does not fit a file: {err}; export it for one outpost") from err


def enrol(operations: Operations, request: EnrolRequest, sync_url: str) -> EnrolResponse:
    """What the enrolment listener answers."""
    enrolment, tuf_root = operations.enroll(request)
    trust = operations.trust()
    return EnrolResponse(
        org_id=enrolment.outpost.org_id,
        outpost_id=enrolment.outpost.id,
        trust_domain=operations.trust_domain,
        certificate_pem=enrolment.certificate.pem,
        intermediates_pem=trust.intermediates_pem[:_ENROL_INTERMEDIATES],
        anchors_pem=trust.anchors_pem,
        tuf_root=base64.b64encode(tuf_root),
        receipt_vkey=operations.keyring.receipts.vkey,
        sync_url=sync_url,
    )


def take_audit(operations: Operations, outpost_id: str, batches: Iterable[AuditBatch]) -> list[AuditReceipt]:
    """Take consecutive batches; a receipt for each. Those before one that is refused are kept.

    Raises:
        UnknownOutpost: There is none of this id.
        AuditInvalid, AuditConflict: See ``audit.take_batch``.
    """
    record = _enrolled(operations, outpost_id)
    return [operations.take_batch(record, batch) for batch in batches]


def _enrolled(operations: Operations, outpost_id: str) -> OutpostRecord:
    found = [record for record, _ in operations.outposts(None) if record.id == outpost_id]
    if not found or found[0].audit_public_key is None:
        raise UnknownOutpost(f"there is no enrolled outpost {outpost_id}; see `control-plane outpost list`")
    return found[0]


def _revocation_lists(operations: Operations) -> dict[str, bytes]:
    keyring, files = operations.newest_trust(), {}
    for record in keyring.state.authorities:
        if record.kind is Kind.INTERMEDIATE and keyring.authority_keys.find(record):
            files[f"{CRLS}{record.key_id}.der"] = operations.current_crl(record.key_id).content
    if not files:
        raise NotFound("there is no authority to sign a revocation list")
    return files

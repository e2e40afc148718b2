"""Enrols a fleet by the control plane's own code, without its sockets: seconds instead of minutes."""

import base64
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from control_plane.operations import Operations
from outpost.protocol.messages import EnrolRequest
from outpost.sync.identity import DIRECTORY, Identity, generate_keys, save_keys, save_public_parts
from outpost.sync.version import outpost_version
from pki.csr import make_csr
from pki.files import make_private_dir


def enrol(operations: Operations, org_id: str, directory: Path, count: int, urls: tuple[str, str]) -> None:
    """``count`` identities under ``directory``; ``urls`` are those of enrolment and synchronisation."""
    make_private_dir(directory)
    for number in range(count):
        keys = generate_keys()
        _, token = operations.create_outpost(org_id, f"fleet-{number}", timedelta(minutes=15))
        request = EnrolRequest(
            token=token.text,
            csr_pem=make_csr(keys.tls).decode(),
            hpke_public_key=base64.b64encode(keys.hpke.public_bytes),
            audit_public_key=base64.b64encode(keys.audit.public_key().public_bytes_raw()),
            outpost_version=outpost_version(),
        )
        enrolment, tuf_root = operations.enroll(request)
        identity = Identity(
            directory=directory / str(number) / DIRECTORY,
            org_id=org_id,
            outpost_id=enrolment.outpost.id,
            trust_domain=operations.trust_domain,
            sync_url=urls[1],
            receipt_vkey=operations.keyring.receipts.vkey,
            keys=keys,
            certificate=x509.load_der_x509_certificate(enrolment.certificate.der),
            intermediates=(operations.keyring.intermediate.certificate,),
            anchors=(operations.keyring.anchor,),
            tuf_root=tuf_root,
            enrol_url=urls[0],
        )
        make_private_dir(directory / str(number))
        save_keys(identity.directory, keys)
        save_public_parts(identity)

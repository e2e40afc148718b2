"""A whole control plane in a temporary directory: real keys, real SQLite, a clock of the test's."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from control_plane.audit import audit_origin
from control_plane.initialise import FirstSecrets, FirstSettings, initialise
from control_plane.keyring import DataDir, load_keyring
from control_plane.operations import Operations
from control_plane.store.engine import Database
from outpost.audit.checkpoint import NoteSigner, sign_checkpoint
from outpost.audit.tree import Frontier, leaf_hash
from outpost.protocol.messages import AuditBatch, EnrolRequest, RecoverRequest
from outpost.protocol.recovery import recovery_statement
from outpost.protocol.sealing import hpke_public_key_bytes
from pki.csr import make_csr
from pki.keys import generate_private_key

TRUST_DOMAIN = "outpost.test"
FIRST = FirstSettings(org_id="acme", trust_domain=TRUST_DOMAIN, server_names=("localhost", "127.0.0.1"))


@dataclass
class Installed:
    """An initialised control plane and what ``init`` showed."""

    path: Path
    first: FirstSecrets
    operations: Operations


@contextmanager
def installed(path: Path, clock: Callable[[], datetime]) -> Iterator[Installed]:
    """Initialise under ``path`` and open it."""
    with reopened(path, initialise(path, FIRST, clock=clock), clock) as result:
        yield result


@contextmanager
def reopened(path: Path, first: FirstSecrets, clock: Callable[[], datetime]) -> Iterator[Installed]:
    """Open what lies initialised under ``path``."""
    database = Database(f"sqlite:///{path / 'control-plane.db'}")
    try:
        keyring = load_keyring(DataDir(path), TRUST_DOMAIN, clock())
        yield Installed(path, first, Operations(database, keyring, TRUST_DOMAIN, clock=clock))
    finally:
        database.close()


class OutpostKeys:
    """The keys an outpost makes before it enrols, and what it signs with them."""

    def __init__(self) -> None:
        self.private_key: EllipticCurvePrivateKey = generate_private_key()
        self._mlkem, self._x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        self.audit_key = Ed25519PrivateKey.generate()

    @property
    def hpke(self) -> MLKEM768X25519PrivateKey:
        return MLKEM768X25519PrivateKey(self._mlkem, self._x25519)

    def request(self, token: str, **changes: object) -> dict[str, object]:
        """The body of an enrolment."""
        public = hpke_public_key_bytes(self._mlkem.public_key(), self._x25519.public_key())
        return {
            "token": token,
            "csr_pem": make_csr(self.private_key).decode(),
            "hpke_public_key": base64.b64encode(public).decode(),
            "audit_public_key": base64.b64encode(self.audit_key.public_key().public_bytes_raw()).decode(),
            "outpost_version": "0.1.0",
        } | changes

    def message(self, token: str, **changes: object) -> EnrolRequest:
        """The same as a message."""
        return EnrolRequest.model_validate_json(json.dumps(self.request(token, **changes)))

    def batch(self, outpost_id: str, log: list[str], first: int = 0, org_id: str = "acme") -> AuditBatch:
        """The events of ``log`` from ``first`` on, with the signed head of the whole."""
        origin = audit_origin(TRUST_DOMAIN, org_id, outpost_id)
        tree = Frontier()
        tree.extend(leaf_hash(event.encode()) for event in log)
        note = sign_checkpoint(origin, tree.size, tree.root(), NoteSigner(origin, self.audit_key))
        return AuditBatch(first_seq=first, events=log[first:], checkpoint=note)


def recover_message(
    certificate: x509.Certificate, old_key: EllipticCurvePrivateKey, new_key: EllipticCurvePrivateKey
) -> RecoverRequest:
    """What an outpost with an ended certificate sends."""
    csr_pem = make_csr(new_key)
    csr_der = x509.load_pem_x509_csr(csr_pem).public_bytes(Encoding.DER)
    statement = recovery_statement(certificate.public_bytes(Encoding.DER), csr_der)
    proof = old_key.sign(statement, ec.ECDSA(hashes.SHA256()))
    return RecoverRequest(
        certificate_pem=certificate.public_bytes(Encoding.PEM).decode(),
        csr_pem=csr_pem.decode(),
        proof=base64.b64encode(proof),
    )

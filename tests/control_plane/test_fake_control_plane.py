"""The shared fake behaves like the thing it stands for: an outpost can live its whole life against it."""

import base64
import json
from datetime import timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from tuf.api.metadata import Metadata

from control_plane.api.crl import authority_key_id
from control_plane.authorities import Kind
from control_plane.recovery import RecoveryPolicy
from control_plane.rotation import Step
from outpost.audit.checkpoint import NoteSigner, NoteVerifier, sign_checkpoint, verify_note
from outpost.audit.tree import Frontier, leaf_hash
from outpost.policy.bundle import load_bundle
from outpost.protocol.sealing import hpke_public_key_bytes, open_secrets, secrets_info
from pki.csr import make_csr
from pki.keys import certificate_sha256, generate_private_key
from pki.revocation import is_revoked, parse_crl
from tests.fakes.clock import FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.installation import recover_message

BASE = "https://control-plane.test:8443"


class Enrolled:
    """An outpost's keys, enrolled with a fake."""

    def __init__(self, plane: FakeControlPlane) -> None:
        self.client = httpx.Client(base_url=BASE, transport=plane.transport())
        self.mlkem, self.x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        self.audit_key = Ed25519PrivateKey.generate()
        self.private_key = generate_private_key()
        self.request = {
            "token": plane.create_token("edge-1"),
            "csr_pem": make_csr(self.private_key).decode(),
            "hpke_public_key": base64.b64encode(
                hpke_public_key_bytes(self.mlkem.public_key(), self.x25519.public_key())
            ).decode(),
            "audit_public_key": base64.b64encode(self.audit_key.public_key().public_bytes_raw()).decode(),
            "outpost_version": "0",
        }
        self.answer = self.client.post("/enroll/v1/outposts", json=self.request)
        self.body = self.answer.json()


@pytest.fixture
def plane():
    return FakeControlPlane(FakeClock())


@pytest.fixture
def outpost(plane):
    return Enrolled(plane)


def test_enrolment_gives_a_certificate_of_the_fakes_own_authority(plane, outpost):
    assert outpost.answer.status_code == 200
    certificate = x509.load_pem_x509_certificate(outpost.body["certificate_pem"].encode())
    certificate.verify_directly_issued_by(plane.intermediate.certificate)
    again = outpost.client.post("/enroll/v1/outposts", json=outpost.request)
    assert again.json() == outpost.body
    other = outpost.request | {"csr_pem": make_csr(generate_private_key()).decode()}
    refused = outpost.client.post("/enroll/v1/outposts", json=other)
    assert (refused.status_code, refused.json()["code"]) == (409, "token_used")


def test_what_it_publishes_verifies_as_a_bundle(plane, outpost):
    key = plane.create_key(group="staff")

    def get(path):
        return outpost.client.get(f"/outpost/v1/tuf/{path}").content

    timestamp = get("metadata/timestamp.json")
    snapshot_version = Metadata.from_bytes(timestamp).signed.snapshot_meta.version
    snapshot = get(f"metadata/{snapshot_version}.snapshot.json")
    meta = Metadata.from_bytes(snapshot).signed.meta
    targets, keys = (
        get(f"metadata/{meta[f'{role}.json'].version}.{role}.json") for role in ("targets", "virtual-keys")
    )
    documents = {
        name: get(f"targets/{file.hashes['sha256']}.{name}")
        for content in (targets, keys)
        for name, file in Metadata.from_bytes(content).signed.targets.items()
    }
    bundle = load_bundle(
        base64.b64decode(outpost.body["tuf_root"]),
        roots=[],
        timestamp=timestamp,
        snapshot=snapshot,
        targets=targets,
        documents=documents,
        delegated={"virtual-keys": keys},
    )
    assert bundle.signed_at == plane.clock()
    assert [entry.group for entry in bundle.keys.keys] == ["staff"]
    assert key.startswith(bundle.keys.keys[0].prefix)
    assert outpost.client.get("/outpost/v1/watch?after=0").json() == {"snapshot_version": bundle.snapshot_version}


def test_secrets_open_only_with_the_outposts_key(plane, outpost):
    plane.set_secret("provider/openai", "planted")
    body = outpost.client.get("/outpost/v1/secrets").json()
    info = secrets_info("acme", "edge-1", body["version"])
    key = MLKEM768X25519PrivateKey(outpost.mlkem, outpost.x25519)
    assert open_secrets(base64.b64decode(body["sealed"]), key, info)["provider/openai"] == "planted"


def test_audit_batches_get_a_receipt_once_and_a_conflict_when_rewritten(plane, outpost):
    origin = "outpost.test/org/acme/outpost/edge-1/audit"
    signer = NoteSigner(origin, outpost.audit_key)

    def batch(events, first=0):
        tree = Frontier()
        tree.extend(leaf_hash(event.encode()) for event in events)
        note = sign_checkpoint(origin, tree.size, tree.root(), signer)
        return {"first_seq": first, "events": events[first:], "checkpoint": note}

    receipt = outpost.client.post("/outpost/v1/audit", json=batch(["{}", '{"a":1}']))
    assert receipt.json()["size"] == 2
    verify_note(receipt.json()["note"], [NoteVerifier.from_vkey(plane.receipt_signer.vkey)])
    assert outpost.client.post("/outpost/v1/audit", json=batch(["{}", '{"a":1}'])).json() == receipt.json()
    assert outpost.client.post("/outpost/v1/audit", json=batch(["{}", '{"a":2}'])).status_code == 409
    gap = outpost.client.post("/outpost/v1/audit", json=batch(["{}"] * 4, first=3))
    assert (gap.status_code, gap.json()["expected_seq"]) == (409, 2)


def test_heartbeat_and_revocation_and_outage(plane, outpost):
    beat = {
        "outpost_version": "1",
        "sent_at": plane.clock().isoformat(),
        "bundle": None,
        "audit_size": 0,
        "audit_delivered": 0,
    }
    assert outpost.client.post("/outpost/v1/heartbeat", content=json.dumps(beat)).status_code == 200
    assert len(plane.heartbeats) == 1
    plane.revoke("edge-1")
    refused = outpost.client.get("/outpost/v1/crl")
    assert (refused.status_code, refused.json()["code"]) == (403, "outpost_revoked")
    plane.down = True
    with pytest.raises(httpx.ConnectError):
        outpost.client.get("/outpost/v1/crl")


def test_an_expired_token_buys_nothing(plane):
    client = httpx.Client(base_url=BASE, transport=plane.transport())
    token = plane.create_token("edge-2")
    plane.clock.advance(timedelta(minutes=16))
    refused = client.post("/enroll/v1/outposts", json=Enrolled(plane).request | {"token": token})
    assert refused.json()["code"] == "token_expired"


@pytest.mark.parametrize("kind", Kind)
def test_it_renews_recovers_and_rotates_like_the_real_one(plane, outpost, kind):
    key, csr = generate_private_key(), make_csr(generate_private_key()).decode()
    first = x509.load_pem_x509_certificate(outpost.body["certificate_pem"].encode())
    for step, generation, anchors in (
        (Step.PREPARE, 2, 2),
        (Step.ACTIVATE, 3, 2),
        (Step.RETIRE, 4, 1),
    ):
        assert plane.rotate(kind, step) == generation
        trust = outpost.client.get("/outpost/v1/trust").json()
        assert trust["generation"] == generation
        assert len(trust["anchors_pem"]) == (anchors if kind is Kind.ROOT else 1)
    beat = {
        "outpost_version": "1",
        "sent_at": plane.clock().isoformat(),
        "bundle": None,
        "audit_size": 0,
        "audit_delivered": 0,
        "certificate_sha256": certificate_sha256(first).hex(),
    }
    reply = outpost.client.post("/outpost/v1/heartbeat", content=json.dumps(beat)).json()
    assert (reply["renew"], reply["trust_generation"]) == (True, 4)
    renewed = outpost.client.post("/outpost/v1/certificate", json={"csr_pem": csr}).json()
    new = x509.load_pem_x509_certificate(renewed["certificate_pem"].encode())
    new.verify_directly_issued_by(plane.intermediate.certificate)
    message = recover_message(first, outpost.private_key, key).model_dump_json()
    assert outpost.client.post("/enroll/v1/recover", content=message).status_code == 200
    plane.revoke("edge-1")
    refused = outpost.client.post("/enroll/v1/recover", content=message)
    assert (refused.status_code, refused.json()["code"]) == (403, "outpost_revoked")
    for certificate in (first, new):
        crl = outpost.client.get(f"/enroll/v1/crl?issuer={authority_key_id(certificate)}").content
        assert is_revoked(parse_crl(crl), certificate.serial_number)


def test_its_recovery_can_be_made_to_wait(plane, outpost):
    plane.recovery = RecoveryPolicy(needs_operator=True)
    certificate = x509.load_pem_x509_certificate(outpost.body["certificate_pem"].encode())
    message = recover_message(certificate, outpost.private_key, generate_private_key()).model_dump_json()
    assert outpost.client.post("/enroll/v1/recover", content=message).json()["code"] == "recovery_pending"
    plane.approve_recovery("edge-1")
    assert outpost.client.post("/enroll/v1/recover", content=message).status_code == 200

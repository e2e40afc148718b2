"""Rotations, the root in and out, and lists, on a whole installation: who still gets in at every moment."""

from datetime import timedelta

import pytest
from cryptography import x509

from control_plane.authorities import Kind, State
from control_plane.ceremonies import Ceremonies, all_crls, ensure_crls
from control_plane.errors import (
    CertificateRejected,
    InvalidRequest,
    KeyStoreFailed,
    KeysUnsafe,
    RecoveryExpired,
    RootOffline,
    RotationRefused,
)
from control_plane.keyring import ensure_server_certificate
from control_plane.root_key import BroughtKey
from control_plane.rotation import Phase, Step
from outpost.protocol.messages import Heartbeat
from pki.csr import make_csr
from pki.keys import certificate_sha256, generate_private_key
from pki.revocation import is_revoked, verify_crl
from pki.verify import Purpose, TrustStore, verify_chain
from tests.fakes.installation import FIRST, OutpostKeys, recover_message, reopened

LIFETIME = timedelta(minutes=15)


class Outpost:
    """The outpost's side of a rotation, in the fewest words: what it holds and what it adopts."""

    def __init__(self, operations, name):
        self.operations = operations
        self.record, token = operations.create_outpost("acme", name, LIFETIME)
        keys = OutpostKeys()
        enrolment, _ = operations.enroll(keys.message(token.text))
        self.key, self.certificate = keys.private_key, x509.load_der_x509_certificate(enrolment.certificate.der)
        self.anchors = operations.newest_trust().trust.anchors
        self.generation = operations.trust().generation

    def beat(self):
        """Report, learn of news, renew if asked; over the door, so it must be admitted."""
        self.operations.admit(self.certificate)
        at = self.operations.clock()
        beat = Heartbeat(
            outpost_version="1",
            sent_at=at,
            bundle=None,
            audit_size=0,
            audit_delivered=0,
            trust_generation=self.generation,
            instance_id=self.record.id,
        )
        reply = self.operations.heartbeat(self.record, beat, 30, certificate_sha256(self.certificate))
        if reply.trust_generation != self.generation:
            self.adopt(self.operations.trust())
        if reply.renew:
            key = generate_private_key()
            presented = certificate_sha256(self.certificate)
            response = self.operations.renew(self.record, make_csr(key).decode(), presented)
            self.key, self.certificate = key, _certificate(response.certificate_pem)

    def adopt(self, trust):
        """An anchor counts if it is known, or a cross certificate leads from a known one to its key."""
        crosses = [_certificate(pem) for pem in trust.cross_certificates_pem]
        for pem in trust.anchors_pem:
            anchor = _certificate(pem)
            vouched = [one for one in crosses if one.public_key() == anchor.public_key()]
            assert anchor in self.anchors or any(self._issued(cross, (*crosses, *self.anchors)) for cross in vouched), (
                "nobody it knows vouches for this anchor"
            )
        self.anchors, self.generation = tuple(_certificate(pem) for pem in trust.anchors_pem), trust.generation

    def _issued(self, cross, issuers):
        return any(_signed_by(cross, issuer) for issuer in issuers)

    def trusts_the_server(self, plane):
        keyring = plane.operations.newest_trust()
        ensure_server_certificate(keyring, list(FIRST.server_names), plane.operations.clock())
        leaf, *chain = x509.load_pem_x509_certificates(keyring.files.server.read_bytes())
        trust, at = TrustStore(self.anchors), plane.operations.clock()
        verify_chain(leaf, trust=trust, at=at, purpose=Purpose.SERVER, extra_intermediates=chain)

    def recover(self):
        key = generate_private_key()
        _, response = self.operations.recover(recover_message(self.certificate, self.key, key))
        self.key, self.certificate = key, _certificate(response.certificate_pem)
        self.adopt(response.trust)


def _certificate(pem):
    return x509.load_pem_x509_certificate(pem.encode())


def _signed_by(certificate, issuer):
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - whatever it is, it is not a signature
        return False
    return True


@pytest.fixture
def ceremonies(operations):
    return Ceremonies(operations, heartbeat_interval_s=30)


@pytest.mark.parametrize("kind", Kind)
def test_a_rotation_strands_nobody(plane, ceremonies, clock, kind):
    """One live outpost, one that sleeps through it all, one that enrols in the middle; another process looks on."""
    operations = plane.operations
    live, asleep = Outpost(operations, "live"), Outpost(operations, "asleep")
    live.beat()
    with reopened(plane.path, plane.first, clock) as other:
        ceremonies.prepare(kind)
        with pytest.raises(RotationRefused) as caught:
            ceremonies.advance(kind, Step.ACTIVATE)
        assert caught.value.unconfirmed == [live.record.id]
        live.beat()  # learns of the new generation ...
        live.beat()  # ... and says so
        status = ceremonies.status()
        assert (status.phase, status.kind, status.next_step) == (Phase.PREPARED, kind, Step.ACTIVATE)
        assert (status.confirmed, status.unconfirmed) == ((live.record.id,), ())
        assert status.offline == (asleep.record.id,)
        ceremonies.advance(kind, Step.ACTIVATE)
        late = Outpost(other.operations, "late")
        for outpost in (live, asleep, late):
            outpost.trusts_the_server(plane)
            other.operations.admit(outpost.certificate)
        with pytest.raises(RotationRefused):
            ceremonies.advance(kind, Step.RETIRE)
        for _ in range(2):
            live.beat()
            late.beat()
        ceremonies.advance(kind, Step.RETIRE)
        for outpost in (live, late):
            outpost.beat()
            outpost.trusts_the_server(plane)
            other.operations.admit(outpost.certificate)
    with pytest.raises(CertificateRejected):
        operations.admit(asleep.certificate)
    asleep.trusts_the_server(plane)  # by the cross certificate that the server sends along
    asleep.recover()
    asleep.beat()
    assert asleep.anchors == operations.newest_trust().trust.anchors
    steps = [event.kind for event in operations.events(100) if event.kind.startswith("rotation")]
    assert steps == ["rotation_retire", "rotation_activate", "rotation_prepare"]


def test_an_outpost_that_slept_through_two_root_rotations_comes_back(plane, ceremonies):
    asleep = Outpost(plane.operations, "asleep")
    for _ in range(2):
        ceremonies.prepare(Kind.ROOT)
        ceremonies.advance(Kind.ROOT, Step.ACTIVATE)
        ceremonies.advance(Kind.ROOT, Step.RETIRE)
    asleep.trusts_the_server(plane)
    asleep.recover()
    asleep.beat()
    assert asleep.anchors == plane.operations.newest_trust().trust.anchors


def test_a_retired_authoritys_certificate_can_be_recovered_within_the_window_only(plane, ceremonies, clock):
    asleep = Outpost(plane.operations, "asleep")
    for step in (Step.ACTIVATE, Step.RETIRE):
        if step is Step.ACTIVATE:
            ceremonies.prepare(Kind.INTERMEDIATE)
        ceremonies.advance(Kind.INTERMEDIATE, step)
    clock.advance(timedelta(days=31))
    with pytest.raises(RecoveryExpired):
        asleep.recover()


@pytest.mark.parametrize("kind", Kind)
def test_rollback_takes_outposts_back_to_the_old_authority(plane, ceremonies, kind):
    outpost = Outpost(plane.operations, "edge")
    outpost.beat()
    before = outpost.anchors
    ceremonies.prepare(kind)
    for _ in range(2):
        outpost.beat()
    ceremonies.advance(kind, Step.ACTIVATE)
    for _ in range(2):
        outpost.beat()
    ceremonies.advance(kind, Step.ROLLBACK)
    outpost.trusts_the_server(plane)
    with pytest.raises(RotationRefused):
        ceremonies.advance(kind, Step.ROLLBACK)
    for _ in range(2):
        outpost.beat()
    ceremonies.advance(kind, Step.ROLLBACK)
    for _ in range(2):
        outpost.beat()
    assert outpost.anchors == before
    outpost.trusts_the_server(plane)
    assert ceremonies.status().phase is Phase.IDLE
    ceremonies.prepare(kind)  # and it can begin again


def test_an_override_needs_a_reason_and_is_recorded_with_it(plane, ceremonies):
    outpost = Outpost(plane.operations, "edge")
    outpost.beat()
    ceremonies.prepare(Kind.INTERMEDIATE)
    with pytest.raises(InvalidRequest, match="reason"):
        ceremonies.advance(Kind.INTERMEDIATE, Step.ACTIVATE, override=True, reason=" ")
    ceremonies.advance(Kind.INTERMEDIATE, Step.ACTIVATE, override=True, reason="key stolen")
    (event,) = plane.operations.events(1)
    detail = {name: event.detail[name] for name in ("override", "reason", "unconfirmed", "generation")}
    assert detail == {"override": True, "reason": "key stolen", "unconfirmed": [outpost.record.id], "generation": 3}


def _passphrase(text="correct-horse"):
    return text.encode()


def test_without_the_root_everything_goes_on_and_what_needs_it_says_how_to_bring_it(plane, ceremonies, tmp_path, clock):
    export = BroughtKey(tmp_path / "root.pem", _passphrase())
    assert ceremonies.export(export) == "root"
    assert b"ENCRYPTED" in export.path.read_bytes()
    with pytest.raises(KeysUnsafe, match="exists"):
        ceremonies.export(export)
    with pytest.raises(KeysUnsafe):
        ceremonies.remove(BroughtKey(export.path, _passphrase("wrong")))
    key_file = plane.path / "ca" / "root.key"
    assert key_file.exists()
    ceremonies.remove(export)
    assert not key_file.exists()
    with pytest.raises(RootOffline):
        ceremonies.remove(export)
    with reopened(plane.path, plane.first, clock) as other:  # a restart without it
        outpost = Outpost(other.operations, "edge")
        outpost.beat()
        outpost.trusts_the_server(other)
        other.operations.revoke_outpost(outpost.record.id)
        for needs_it in (lambda: ceremonies.prepare(Kind.INTERMEDIATE), ceremonies.sign_root_crl):
            with pytest.raises(RootOffline, match="--root-key FILE --passphrase-file FILE"):
                needs_it()
        assert ceremonies.sign_root_crl(export).authority == "root"
        ceremonies.prepare(Kind.INTERMEDIATE, export)
        ceremonies.advance(Kind.INTERMEDIATE, Step.ACTIVATE)
        Outpost(other.operations, "second").trusts_the_server(other)
    assert not key_file.exists()  # nothing stored it
    assert b"ENCRYPTED" not in b"".join(path.read_bytes() for path in (plane.path / "ca").iterdir())
    ceremonies.bring_back(export)
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert ceremonies.sign_root_crl().authority == "root"


def test_the_root_after_an_offline_root_is_offline_too(plane, ceremonies, tmp_path):
    old = BroughtKey(tmp_path / "old.pem", _passphrase())
    new = BroughtKey(tmp_path / "new.pem", _passphrase("other"))
    ceremonies.export(old)
    ceremonies.remove(old)
    with pytest.raises(InvalidRequest, match="--new-root-export"):
        ceremonies.prepare(Kind.ROOT, old)
    ceremonies.prepare(Kind.ROOT, old, new)
    assert not list((plane.path / "ca").glob("root*.key"))
    ceremonies.advance(Kind.ROOT, Step.ACTIVATE)
    ceremonies.advance(Kind.ROOT, Step.RETIRE)
    with pytest.raises(KeysUnsafe, match="not the key of root-2"):
        ceremonies.prepare(Kind.INTERMEDIATE, old)
    ceremonies.prepare(Kind.INTERMEDIATE, new)


def test_every_authority_has_a_current_list_and_the_roots_names_retired_intermediates(plane, ceremonies, clock):
    operations = plane.operations
    Outpost(operations, "edge")
    ceremonies.prepare(Kind.INTERMEDIATE)
    ceremonies.advance(Kind.INTERMEDIATE, Step.ACTIVATE)
    ceremonies.advance(Kind.INTERMEDIATE, Step.RETIRE)
    assert ensure_crls(operations) == []
    state = operations.newest_trust().state
    lists = {crl.authority: x509.load_der_x509_crl(crl.content) for crl in all_crls(operations)}
    assert list(lists) == ["intermediate-2", "root"]
    for name, crl in lists.items():
        verify_crl(crl, issuer=state.named(name).certificate, at=clock())
    assert is_revoked(lists["root"], state.named("intermediate").certificate.serial_number)
    assert not is_revoked(lists["root"], state.named("intermediate-2").certificate.serial_number)
    assert state.named("intermediate").state is State.RETIRED
    old_list = operations.current_crl(state.named("intermediate").key_id)  # still signed for those who ask
    assert old_list.authority == "intermediate"


def test_lists_are_signed_on_schedule_and_a_late_root_list_is_named(plane, ceremonies, clock, tmp_path):
    operations = plane.operations
    ensure_crls(operations)
    before = {crl.authority: crl.number for crl in all_crls(operations)}
    clock.advance(timedelta(hours=13))
    ensure_crls(operations)
    after = {crl.authority: crl.number for crl in all_crls(operations)}
    assert (after["root"], after["intermediate"] > before["intermediate"]) == (before["root"], True)
    export = BroughtKey(tmp_path / "root.pem", _passphrase())
    ceremonies.export(export)
    ceremonies.remove(export)
    clock.advance(timedelta(days=200))
    assert ensure_crls(operations) == ["root"]
    ceremonies.sign_root_crl(export)
    assert ensure_crls(operations) == []


def test_a_prepare_that_fails_leaves_no_trace_in_the_state(plane, ceremonies, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pki.keystores.file.write_private", full)
    with pytest.raises(KeyStoreFailed, match="space"):
        ceremonies.prepare(Kind.INTERMEDIATE)
    assert ceremonies.status().phase is Phase.IDLE

"""The swap on disk: whatever instant the machine dies in, a whole identity loads."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from outpost.errors import ControlPlaneUntrusted, IdentityInvalid, Unavailable
from outpost.sync import credentials as module
from outpost.sync.credentials import (
    candidate_key,
    discard_candidate,
    load_candidate,
    make_candidate,
    make_current,
    remove_old,
    renewal_draw,
    store_candidate,
    store_trust,
)
from outpost.sync.identity import load_identity
from outpost.sync.trust import Trust
from pki.files import write_private
from pki.keys import private_key_to_pem, spki_sha256
from pki.pem import certificates_to_pem
from tests.fakes.pki import TestAuthority


class Crash(BaseException):
    """The machine dies here."""


def renewed(identity, plane, clock):
    """One whole renewal without a network."""
    key = candidate_key(identity)
    certificate = plane.intermediate.issue_outpost(identity.spiffe_id, key.public_key(), clock())
    trust = Trust(1, identity.anchors, (plane.intermediate.certificate,))
    candidate = make_candidate(identity, key, certificate, trust, clock())
    store_candidate(candidate)
    make_current(candidate)
    remove_old(candidate)
    return candidate


def test_what_was_renewed_loads_and_nothing_old_is_left(identity, plane, clock, data_dir):
    first = renewed(identity, plane, clock)
    second = renewed(first, plane, clock)
    loaded = load_identity(data_dir, clock())
    assert loaded.certificate == second.certificate
    assert (loaded.credentials, loaded.trust_generation) == (2, 1)
    assert loaded.trust_intermediates == (plane.intermediate.certificate,)
    assert loaded.hpke_key.public_bytes == identity.hpke_key.public_bytes
    names = {path.name for path in identity.directory.iterdir()}
    assert names == {
        "anchors.pem", "audit.key", "credentials-2", "current", "hpke.key", "identity.json", "tuf-root.json",
    }  # fmt: skip
    modes = {stat.S_IMODE(path.stat().st_mode) for path in identity.directory.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE(loaded.credentials_directory.stat().st_mode) == 0o700


def test_a_candidate_is_not_in_use_before_it_is_current(identity, plane, clock, data_dir):
    key = candidate_key(identity)
    certificate = plane.intermediate.issue_outpost(identity.spiffe_id, key.public_key(), clock())
    assert load_candidate(identity, clock()) is None
    candidate = make_candidate(identity, key, certificate, Trust(1, identity.anchors, identity.intermediates), clock())
    store_candidate(candidate)
    assert load_identity(data_dir, clock()).certificate == identity.certificate
    assert load_candidate(identity, clock()).certificate == certificate
    discard_candidate(identity)
    discard_candidate(identity)
    assert load_candidate(identity, clock()) is None


def test_the_same_key_is_asked_for_again_until_it_is_certified(identity):
    assert spki_sha256(candidate_key(identity).public_key()) == spki_sha256(candidate_key(identity).public_key())


def test_a_half_made_key_is_made_anew(identity):
    candidate_key(identity)
    (identity.directory / "credentials-1" / "key.pem").write_bytes(b"torn")
    assert candidate_key(identity).curve.name == "secp256r1"


def test_a_damaged_an_expired_or_an_older_candidate_is_forgotten(identity, plane, clock):
    def stored(generation=1):
        key = candidate_key(identity)
        certificate = plane.intermediate.issue_outpost(identity.spiffe_id, key.public_key(), clock())
        trust = Trust(generation, identity.anchors, (plane.intermediate.certificate,))
        store_candidate(make_candidate(identity, key, certificate, trust, clock()))

    stored()
    (identity.directory / "credentials-1" / "certificate.pem").write_bytes(b"torn")
    assert load_candidate(identity, clock()) is None
    stored()
    assert load_candidate(identity, clock() + timedelta(days=8)) is None
    stored()
    later = store_trust(identity, Trust(5, identity.anchors))
    assert load_candidate(later, clock()) is None
    assert not (identity.directory / "credentials-1").exists()


def test_another_outposts_or_a_strangers_certificate_is_no_candidate(identity, plane, clock):
    key = candidate_key(identity)
    trust = Trust(1, identity.anchors, (plane.intermediate.certificate,))
    stranger = TestAuthority.build("outpost.test")
    wrong = [
        stranger.intermediate.issue_outpost(identity.spiffe_id, key.public_key(), clock()),
        plane.intermediate.issue_outpost(identity.spiffe_id, identity.private_key.public_key(), clock()),
    ]
    for certificate in wrong:
        with pytest.raises(ControlPlaneUntrusted, match="the old one stays"):
            make_candidate(identity, key, certificate, trust, clock())
    certificate = plane.intermediate.issue_outpost(identity.spiffe_id, key.public_key(), clock())
    with pytest.raises(ControlPlaneUntrusted, match="expired"):
        make_candidate(identity, key, certificate, trust, clock() + timedelta(days=8))


def test_the_draw_is_made_once_per_certificate(identity, plane, clock):
    draws = iter([0.25, 0.75])
    assert [renewal_draw(identity, lambda: next(draws)) for _ in range(3)] == [0.25] * 3
    assert renewal_draw(renewed(identity, plane, clock), lambda: next(draws)) == 0.75


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"draw": 7}', b'{"draw": "x"}', b"\xff"])
def test_a_draw_that_cannot_be_read_is_made_again(identity, content):
    (identity.directory / "renewal.json").write_bytes(content)
    assert renewal_draw(identity, lambda: 0.5) == 0.5
    assert renewal_draw(identity, lambda: 0.9) == 0.5


def test_trust_is_replaced_whole_and_survives(identity, plane, clock, data_dir):
    root = plane.new_root()
    store_trust(identity, Trust(2, (*identity.anchors, root.certificate)))
    loaded = load_identity(data_dir, clock())
    assert (loaded.trust_generation, loaded.anchors) == (2, (*identity.anchors, root.certificate))


@pytest.mark.parametrize("content", [b"", b"credentials-0\n", b"../identity\n", b"credentials-1", b"credentials-9\n"])
def test_a_current_that_names_nothing_of_ours_is_refused_and_nothing_deleted(identity, clock, data_dir, content):
    (identity.directory / "current").write_bytes(content)
    (identity.directory / "current").chmod(0o600)
    with pytest.raises(IdentityInvalid):
        load_identity(data_dir, clock())
    assert (identity.directory / "key.pem").exists()


def test_a_disk_that_cannot_be_written_is_unavailable(identity, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_private", full)
    with pytest.raises(Unavailable, match="No space left"):
        candidate_key(identity)


class Disk:
    """Counts every change of the disk; the machine dies before or after the n-th."""

    CHANGES = ((module, "write_private"), (module, "make_private_dir"), (shutil, "rmtree"), (Path, "unlink"))

    def __init__(self, monkeypatch) -> None:
        self.monkeypatch, self.left = monkeypatch, 0

    def dying(self, function):
        def call(*args, **kwargs):
            self.step()
            function(*args, **kwargs)
            self.step()

        return call

    def step(self) -> None:
        if self.left == 0:
            raise Crash
        self.left -= 1

    def dies_at(self, step: int, work) -> bool:
        self.left = step
        with self.monkeypatch.context() as patch:
            for owner, name in self.CHANGES:
                patch.setattr(owner, name, self.dying(getattr(owner, name)))
            try:
                work()
            except Crash:
                return True
        return False


def test_a_crash_before_and_after_every_write_leaves_a_working_identity(identity, plane, clock, data_dir, monkeypatch):
    disk, step, died = Disk(monkeypatch), 0, True
    while died:
        before = load_identity(data_dir, clock())
        died = disk.dies_at(step, lambda before=before: renewed(before, plane, clock))
        found = load_identity(data_dir, clock())
        assert found.credentials in {before.credentials, before.credentials + 1}
        remove_old(found)
        after = renewed(found, plane, clock)
        assert load_identity(data_dir, clock()).certificate == after.certificate
        step += 1
    assert step > 12


ENDLESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from outpost.sync.credentials import *
from outpost.sync.identity import load_identity
from outpost.sync.trust import Trust
from pki.authority import Authority
from pki.files import read_certificates, read_private_key
from pki.signer import LocalSigner

data_dir, ca = Path(sys.argv[1]), Path(sys.argv[2])
at = datetime.fromisoformat(sys.argv[3])
(certificate,) = read_certificates(ca / "intermediate.pem")
authority = Authority(certificate, LocalSigner(read_private_key(ca / "intermediate.key", None)))
identity = load_identity(data_dir, at)
remove_old(identity)
print("up", identity.credentials, flush=True)
while True:
    candidate = load_candidate(identity, at)
    if candidate is None:
        key = candidate_key(identity)
        leaf = authority.issue_outpost(identity.spiffe_id, key.public_key(), at)
        candidate = make_candidate(identity, key, leaf, Trust(1, identity.anchors, (certificate,)), at)
        store_candidate(candidate)
    make_current(candidate)
    remove_old(candidate)
    identity = candidate
"""
KILLS = int(os.environ.get("OUTPOST_KILL_ROUNDS", "8"))


@pytest.mark.timeout(120)
def test_kill_nine_at_any_moment_of_endless_swaps(identity, plane, clock, data_dir, tmp_path):

    ca = tmp_path / "ca"
    ca.mkdir()
    write_private(ca / "intermediate.key", private_key_to_pem(plane.intermediate_key, None))
    write_private(ca / "intermediate.pem", certificates_to_pem([plane.intermediate.certificate]))
    numbers = []
    for round_ in range(KILLS):
        arguments = [sys.executable, "-c", ENDLESS, str(data_dir), str(ca), clock().isoformat()]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("up ")
        time.sleep(0.05 + 0.037 * round_)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        loaded = load_identity(data_dir, clock())
        numbers.append(loaded.credentials)
    assert numbers == sorted(numbers)
    assert numbers[-1] > KILLS

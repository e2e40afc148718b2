"""The root's export as openssl reads it, and cross certificates as openssl verifies them."""

import os
import re
import subprocess
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from control_plane.authorities import Kind
from control_plane.errors import KeysUnsafe
from control_plane.root_key import BroughtKey, cross_sign, describe, export_root, new_passphrase, root_key
from pki.authority import create_root
from pki.keys import generate_private_key
from pki.signer import LocalSigner
from tests.fakes.pki import test_authority

AT = test_authority().root.certificate.not_valid_before_utc + timedelta(days=1)


def test_a_passphrase_is_long_random_and_can_be_written_down():
    made = {new_passphrase(os.urandom) for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"(?:[a-z2-7]{4}-){7}[a-z2-7]{4}", passphrase) for passphrase in made)


def test_openssl_opens_the_export_with_the_passphrase_alone(plane, tmp_path):
    root = plane.operations.newest_trust().state.active(Kind.ROOT)
    files, export = plane.operations.keyring.files, BroughtKey(tmp_path / "root.pem", b"correct-horse")
    export_root(files, root, export)
    assert export.path.stat().st_mode & 0o777 == 0o600
    assert "correct" not in repr(export)
    for passphrase, code in (("correct-horse", 0), ("wrong", 1)):
        command = ["openssl", "pkey", "-in", export.path, "-passin", f"pass:{passphrase}", "-noout"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == code
    assert describe(files, [root]) == [{"name": "root", "state": "active", "key": "here"}]
    export.path.chmod(0o644)
    with pytest.raises(KeysUnsafe, match="group"):
        root_key(files, root, export)


def test_openssl_follows_the_cross_certificate_from_the_old_root(tmp_path):
    old = test_authority()
    name = "Test Root"
    new = create_root(LocalSigner(generate_private_key()), trust_domain=old.trust_domain, common_name=name, at=AT)
    cross = cross_sign(old.root_key, old.root.certificate, new.certificate, AT, os.urandom)
    assert cross.subject == cross.issuer == new.certificate.subject  # self-issued: costs no path length
    key = LocalSigner(generate_private_key())
    intermediate = new.issue_intermediate(old.trust_domain, "Issuer 2", key.public_key, AT)
    files = {"old": old.root.certificate, "cross": cross, "intermediate": intermediate}
    for stem, certificate in files.items():
        (tmp_path / f"{stem}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-x509_strict", "-attime", str(int(AT.timestamp())), "-CAfile", "old.pem"]
    verified = subprocess.run(
        [*command, "-untrusted", "cross.pem", "intermediate.pem"], cwd=tmp_path, capture_output=True, check=False
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    alone = subprocess.run([*command, "intermediate.pem"], cwd=tmp_path, capture_output=True, check=False)
    assert alone.returncode != 0

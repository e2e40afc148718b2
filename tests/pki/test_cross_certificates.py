"""A root rotation as verifiers see it: those who have the old anchor only, both, or the new one only."""

import itertools
import shutil
import subprocess
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from pki.authority import Authority, create_intermediate, create_root
from pki.errors import CertificateInvalid, Reason
from pki.keys import generate_private_key
from pki.names import SpiffeId
from pki.pem import certificates_to_pem
from pki.signer import LocalSigner
from pki.verify import (
    MAX_EXTRA_INTERMEDIATES,
    Purpose,
    TrustStore,
    require_cross_certified,
    verify_chain,
    verify_outpost,
    verify_server,
)
from tests.fakes.clock import NOON
from tests.fakes.forge import forge
from tests.fakes.pki import TRUST_DOMAIN, TestAuthority
from tests.fakes.pki import test_authority as authority

OPENSSL = shutil.which("openssl")
OLD = authority()
STRANGER = TestAuthority.build()
BC, EKU, NC = ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.NAME_CONSTRAINTS


def _next(common_name, at=NOON):
    """A new root with its key, the intermediate it certified and a server of that."""
    key = generate_private_key()
    root = create_root(LocalSigner(key), trust_domain=TRUST_DOMAIN, common_name=common_name, at=at)
    intermediate = create_intermediate(
        root,
        LocalSigner(generate_private_key()),
        trust_domain=TRUST_DOMAIN,
        common_name="Test Intermediate 2",
        at=at,
    )
    return root, key, intermediate


@pytest.fixture(params=["Test Root", "Test Root 2"], ids=["same name", "another name"])
def new(request):
    root, _, intermediate = _next(request.param)
    return root, intermediate


def _server(intermediate):
    return intermediate.issue_server(["cp.example.org"], generate_private_key().public_key(), NOON)


def test_who_has_the_old_anchor_only_verifies_the_new_chain(new):
    root, intermediate = new
    cross = OLD.root.cross_sign(root.certificate, NOON)
    leaf = _server(intermediate)
    old_only = TrustStore((OLD.root.certificate,), (OLD.intermediate.certificate,))
    for sent in (
        (intermediate.certificate, cross),
        (cross, intermediate.certificate),
        (root.certificate, intermediate.certificate, cross),  # a self-signed root along the way misleads nobody
    ):
        path = verify_chain(leaf, trust=old_only, at=NOON, purpose=Purpose.SERVER, extra_intermediates=sent)
        assert path == (leaf, intermediate.certificate, cross, OLD.root.certificate)
    with pytest.raises(CertificateInvalid) as refusal:
        verify_chain(
            leaf, trust=old_only, at=NOON, purpose=Purpose.SERVER, extra_intermediates=(intermediate.certificate,)
        )
    assert refusal.value.reason is Reason.CHAIN


def test_both_anchors_verify_both_chains_with_every_certificate_at_hand(new):
    root, intermediate = new
    cross = OLD.root.cross_sign(root.certificate, NOON)
    trust = TrustStore(
        (OLD.root.certificate, root.certificate), (OLD.intermediate.certificate, intermediate.certificate, cross)
    )
    verify_server(_server(intermediate), trust=trust, at=NOON, name="cp.example.org")
    assert verify_outpost(OLD.outpost("o1").certificate, trust=trust, at=NOON, trust_domain=TRUST_DOMAIN)
    leaf = intermediate.issue_outpost(SpiffeId(TRUST_DOMAIN, "acme", "o2"), generate_private_key().public_key(), NOON)
    assert verify_outpost(leaf, trust=trust, at=NOON, trust_domain=TRUST_DOMAIN)
    new_only = TrustStore((root.certificate,), (intermediate.certificate, cross))
    verify_server(_server(intermediate), trust=new_only, at=NOON, name="cp.example.org")
    with pytest.raises(CertificateInvalid):
        verify_outpost(OLD.outpost("o1").certificate, trust=new_only, at=NOON, trust_domain=TRUST_DOMAIN)


@pytest.mark.skipif(OPENSSL is None, reason="the openssl program is not installed")
def test_openssl_finds_the_way_through_the_cross_certificate(new, tmp_path):
    """What an outpost's TLS library does with the chain the control plane presents."""
    root, intermediate = new
    cross = OLD.root.cross_sign(root.certificate, NOON)
    for name, certificates in {
        "old": [OLD.root.certificate],
        "sent": [intermediate.certificate, cross],
        "leaf": [_server(intermediate)],
    }.items():
        (tmp_path / f"{name}.pem").write_bytes(certificates_to_pem(certificates))
    done = subprocess.run(
        [
            OPENSSL, "verify", "-x509_strict", "-purpose", "sslserver", "-attime", str(int(NOON.timestamp())),
            "-CAfile", "old.pem", "-untrusted", "sent.pem", "leaf.pem",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_root_that_an_anchor_vouches_for_may_become_one(new):
    root, _ = new
    cross = OLD.root.cross_sign(root.certificate, NOON)
    require_cross_certified(root.certificate, [cross], [OLD.root.certificate], NOON)
    require_cross_certified(
        root.certificate,
        [STRANGER.intermediate.certificate, cross],
        [STRANGER.root.certificate, OLD.root.certificate],
        NOON,
    )


def test_who_slept_through_three_rotations_comes_back():
    roots = [OLD.root, *(_next(f"R{n}")[0] for n in range(3))]
    crosses = [old.cross_sign(new.certificate, NOON) for old, new in itertools.pairwise(roots)]
    for root in roots[1:]:
        require_cross_certified(root.certificate, crosses, [OLD.root.certificate], NOON)
    with pytest.raises(CertificateInvalid):
        require_cross_certified(roots[3].certificate, [crosses[0], crosses[2]], [OLD.root.certificate], NOON)
    intermediate = create_intermediate(
        roots[3], LocalSigner(generate_private_key()), trust_domain=TRUST_DOMAIN, common_name="I4", at=NOON
    )
    trust = TrustStore((OLD.root.certificate,), (intermediate.certificate, *crosses))
    verify_server(_server(intermediate), trust=trust, at=NOON, name="cp.example.org")


NEW_ROOT, NEW_KEY, _ = _next("Test Root 2")
NEW = NEW_ROOT.certificate
CROSS = OLD.root.cross_sign(NEW, NOON)


def _claimed_root(certificate, key):
    """``certificate``'s name and key as a self-signed root: what a thief of an intermediate's key would present."""
    return forge(
        NEW,
        key,
        subject=certificate.subject,
        issuer=certificate.subject,
        public_key=certificate.public_key(),
        extensions={
            ExtensionOID.SUBJECT_KEY_IDENTIFIER: (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        },
    )


REFUSED = {
    "nobody": (NEW, [], Reason.CHAIN),
    "a stranger": (NEW, [STRANGER.root.cross_sign(NEW, NOON)], Reason.CHAIN),
    "itself": (NEW, [NEW], Reason.CHAIN),
    "a certificate for another root": (STRANGER.root.certificate, [CROSS], Reason.CHAIN),
    "another key under its name": (
        NEW,
        [forge(CROSS, OLD.root_key, public_key=generate_private_key().public_key())],
        Reason.CHAIN,
    ),
    "its key under another name": (
        NEW,
        [forge(CROSS, OLD.root_key, subject=OLD.root.certificate.subject)],
        Reason.CHAIN,
    ),
    "a signature that is not the anchor's": (NEW, [forge(CROSS, NEW_KEY)], Reason.CHAIN),
    "the intermediate, for a root of its key": (
        _claimed_root(OLD.intermediate.certificate, OLD.intermediate_key),
        [OLD.intermediate.certificate],
        Reason.CHAIN,
    ),
    "the intermediate, for a new root": (
        NEW,
        [
            OLD.intermediate.certificate,
            forge(CROSS, OLD.intermediate_key, issuer=OLD.intermediate.certificate.subject),
        ],
        Reason.CHAIN,
    ),
    "an outpost, for a root of its key": (
        _claimed_root((outpost := OLD.outpost()).certificate, outpost.key),
        [outpost.certificate, OLD.intermediate.certificate],
        Reason.CHAIN,
    ),
    "an anchor, within narrower names": (
        NEW,
        [forge(CROSS, OLD.root_key, extensions={NC: (x509.NameConstraints([x509.DNSName("a")], None), True)})],
        Reason.CHAIN,
    ),
    "an anchor, with a path length": (
        NEW,
        [forge(CROSS, OLD.root_key, extensions={BC: (x509.BasicConstraints(ca=True, path_length=0), True)})],
        Reason.CHAIN,
    ),
    "an anchor, for a time that is over": (
        NEW,
        [forge(CROSS, OLD.root_key, not_after=NOON - timedelta(minutes=1))],
        Reason.EXPIRED,
    ),
    "an anchor, for a time to come": (
        NEW,
        [forge(CROSS, OLD.root_key, not_before=NOON + timedelta(1))],
        Reason.NOT_YET_VALID,
    ),
    "an anchor, for a new root that is over": (
        forge(NEW, NEW_KEY, not_after=NOON - timedelta(minutes=1)),
        [CROSS],
        Reason.EXPIRED,
    ),
    "an anchor, for a new root to come": (
        forge(NEW, NEW_KEY, not_before=NOON + timedelta(1)),
        [CROSS],
        Reason.NOT_YET_VALID,
    ),
    "an anchor, for a new root with another signature": (forge(NEW, OLD.root_key), [CROSS], Reason.CHAIN),
    "an anchor, for a key of another kind": (
        forge(NEW, NEW_KEY, public_key=rsa.generate_private_key(65537, 2048).public_key()),
        [CROSS],
        Reason.CHAIN,
    ),
    "too many": (NEW, [CROSS] * (MAX_EXTRA_INTERMEDIATES + 1), Reason.CHAIN),
}


@pytest.mark.parametrize(("new_anchor", "crosses", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_who_cannot_make_an_anchor(new_anchor, crosses, reason):
    with pytest.raises(CertificateInvalid) as refusal:
        require_cross_certified(new_anchor, crosses, [OLD.root.certificate], NOON)
    assert refusal.value.reason is reason


def test_a_limited_root_does_not_vouch_through_a_limited_certificate():
    """Whatever narrows a certificate of the way narrows what it vouches for, so it vouches for no root."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    key = generate_private_key()
    root = create_root(LocalSigner(key), trust_domain=TRUST_DOMAIN, common_name="Between", at=NOON)
    between = forge(OLD.root.cross_sign(root.certificate, NOON), OLD.root_key, extensions={EKU: (usage, False)})
    last = Authority(root.certificate, LocalSigner(key)).cross_sign(NEW, NOON)
    with pytest.raises(CertificateInvalid) as refusal:
        require_cross_certified(NEW, [between, last], [OLD.root.certificate], NOON)
    assert refusal.value.reason is Reason.PURPOSE


def test_a_time_without_zone_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="time zone"):
        require_cross_certified(NEW, [CROSS], [OLD.root.certificate], NOON.replace(tzinfo=None))

import time
from datetime import timedelta
from itertools import pairwise, permutations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from pki.errors import CertificateInvalid, Reason
from pki.keys import generate_private_key
from pki.path import MAX_PATH_CERTIFICATES, TrustStore, find_path, require_depth
from tests.fakes.clock import NOON
from tests.fakes.forge import forge
from tests.fakes.pki import TestAuthority
from tests.fakes.pki import test_authority as authority

CA = authority()
OTHER = TestAuthority.build()
ROOT, INTERMEDIATE, LEAF = CA.root.certificate, CA.intermediate.certificate, CA.outpost().certificate
SKI, AKI, BC, NC = (
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.NAME_CONSTRAINTS,
)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _authority(key, issuer_key, subject, issuer):
    """An authority's certificate without limit on what follows."""
    changes = {
        SKI: (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        BC: (x509.BasicConstraints(ca=True, path_length=None), True),
        ExtensionOID.EXTENDED_KEY_USAGE: None,
        NC: None,
        AKI: (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
    }
    return forge(
        INTERMEDIATE,
        issuer_key,
        subject=_name(subject),
        issuer=_name(issuer),
        public_key=key.public_key(),
        extensions=changes,
    )


def _below(key, issuer):
    """LEAF, issued by another authority."""
    aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return forge(LEAF, key, issuer=_name(issuer), extensions={AKI: (aki, False)})


def _nothing_more(path):
    """Accept whatever RFC 5280 accepts."""


def _find(leaf, anchors, untrusted=(), accept=_nothing_more, **options):
    return find_path(leaf, TrustStore(tuple(anchors), tuple(untrusted)), NOON, accept, **options)


ROOT_KEYS = [generate_private_key() for _ in range(2)]
SUB_KEY = generate_private_key()
ROOTS = [_authority(key, key, f"R{n}", f"R{n}") for n, key in enumerate(ROOT_KEYS)]
# One authority, certified by both roots.
SUBS = [_authority(SUB_KEY, key, "Sub", f"R{n}") for n, key in enumerate(ROOT_KEYS)]
BELOW = _below(SUB_KEY, "Sub")


def test_a_plain_path_is_found():
    assert _find(LEAF, [ROOT], [INTERMEDIATE]) == (LEAF, INTERMEDIATE, ROOT)


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_a_refusal_of_one_path_leads_on_to_the_next(order):
    subs = [SUBS[n] for n in order]
    for wanted in ROOTS:

        def accept(path, wanted=wanted):
            if path[-1] != wanted:
                raise CertificateInvalid(Reason.PURPOSE, "not this way")

        assert _find(BELOW, ROOTS, subs, accept)[-1] == wanted


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_an_expired_certificate_of_an_authority_does_not_hide_its_good_one(order):
    expired = forge(SUBS[0], ROOT_KEYS[0], not_after=NOON - timedelta(days=1))
    subs = [(expired, SUBS[1])[n] for n in order]
    assert _find(BELOW, ROOTS, subs) == (BELOW, SUBS[1], ROOTS[1])


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_a_name_constraint_on_one_path_does_not_close_the_other(order):
    forbids = x509.NameConstraints(None, [x509.UniformResourceIdentifier("example.org")])
    constrained = forge(SUBS[0], ROOT_KEYS[0], extensions={NC: (forbids, True)})
    subs = [(constrained, SUBS[1])[n] for n in order]
    assert _find(BELOW, ROOTS, subs)[-1] == ROOTS[1]
    with pytest.raises(CertificateInvalid) as refusal:
        _find(BELOW, ROOTS, [constrained])
    assert refusal.value.reason is Reason.NAME


def test_the_first_refusal_is_the_one_reported():
    def accept(path):
        raise CertificateInvalid(Reason.PURPOSE, path[-1].subject.rfc4514_string())

    with pytest.raises(CertificateInvalid) as refusal:
        _find(BELOW, ROOTS, SUBS, accept)
    assert refusal.value.reason is Reason.PURPOSE


def test_an_anchor_need_not_be_self_signed_only_where_that_is_said():
    assert _find(LEAF, [INTERMEDIATE], any_anchor=True) == (LEAF, INTERMEDIATE)
    with pytest.raises(CertificateInvalid):
        _find(LEAF, [INTERMEDIATE])
    with pytest.raises(CertificateInvalid):
        _find(LEAF, [INTERMEDIATE, OTHER.root.certificate], [OTHER.intermediate.certificate])


def test_a_stranger_of_the_same_names_is_no_way_in():
    """The search follows signatures: same names, other keys."""
    with pytest.raises(CertificateInvalid) as refusal:
        _find(OTHER.outpost().certificate, [ROOT], [INTERMEDIATE, OTHER.intermediate.certificate])
    assert refusal.value.reason is Reason.CHAIN


def test_a_loop_of_cross_certificates_ends():
    """A and B certify each other, and neither is certified by an anchor."""
    first, second = generate_private_key(), generate_private_key()
    loop = [_authority(first, second, "A", "B"), _authority(second, first, "B", "A")]
    with pytest.raises(CertificateInvalid) as refusal:
        _find(_below(first, "A"), ROOTS, loop)
    assert refusal.value.reason is Reason.CHAIN
    way_out = _authority(second, ROOT_KEYS[0], "B", "R0")
    assert _find(_below(first, "A"), ROOTS, [*loop, way_out])[-2:] == (way_out, ROOTS[0])


def test_a_thicket_of_look_alikes_is_refused_soon():
    """Every layer certifies every authority of the next: 6^6 paths, none of which ends in an anchor."""
    width, layers = 6, 6
    keys = [[generate_private_key() for _ in range(width)] for _ in range(layers + 1)]
    forest = [
        _authority(lower, upper, f"L{layer}", f"L{layer + 1}")
        for layer in range(layers)
        for lower in keys[layer]
        for upper in keys[layer + 1]
    ]
    started = time.perf_counter()
    with pytest.raises(CertificateInvalid, match="too many ways"):
        _find(_below(keys[0][0], "L0"), ROOTS, forest)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(("authorities", "found"), [(MAX_PATH_CERTIFICATES - 1, True), (MAX_PATH_CERTIFICATES, False)])
def test_the_search_has_a_longest_path(authorities, found):
    keys = [generate_private_key() for _ in range(authorities)]
    ladder = [_authority(lower, upper, f"L{n}", f"L{n + 1}") for n, (lower, upper) in enumerate(pairwise(keys))]
    top = _authority(keys[-1], keys[-1], f"L{authorities - 1}", f"L{authorities - 1}")
    tried = []

    def refuse_the_first(path):
        tried.append(path)
        if len(tried) == 1:
            raise CertificateInvalid(Reason.PURPOSE, "try the search")

    if found:
        assert len(_find(_below(keys[0], "L0"), [top], ladder, refuse_the_first)) == MAX_PATH_CERTIFICATES
    else:
        with pytest.raises(CertificateInvalid, match="try the search"):
            _find(_below(keys[0], "L0"), [top], ladder, refuse_the_first)


def test_depth_counts_authorities_that_are_not_self_issued():
    self_issued = _authority(SUB_KEY, SUB_KEY, "Sub", "Sub")
    path = (BELOW, self_issued, SUBS[0], ROOTS[0])
    require_depth(path, 1)
    require_depth((BELOW, ROOTS[0]), 0)
    with pytest.raises(CertificateInvalid) as refusal:
        require_depth(path, 0)
    assert refusal.value.reason is Reason.CHAIN


def test_no_anchor_trusts_nothing():
    with pytest.raises(CertificateInvalid):
        TrustStore(())

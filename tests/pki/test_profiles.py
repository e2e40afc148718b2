from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.authority import create_root
from pki.errors import CertificateInvalid, IssuanceRefused
from pki.keys import generate_private_key
from pki.names import SpiffeId
from pki.profiles import (
    Kind,
    Profile,
    cross_profile,
    ingress_profile,
    intermediate_profile,
    outpost_profile,
    root_profile,
    server_profile,
)
from pki.signer import LocalSigner
from tests.fakes.clock import NOON
from tests.fakes.pki import test_authority as authority

SPIFFE_ID = SpiffeId("example.org", "acme", "o1")


@pytest.mark.parametrize("names", [[], ["a.example", "a.example"]], ids=["none", "twice"])
def test_server_names_must_be_some_and_distinct(names):
    with pytest.raises(IssuanceRefused):
        server_profile(names)


def test_the_common_name_is_the_first_name_that_fits():
    long = f"{'a' * 60}.example.org"
    profile = server_profile([long, "::0001"])
    assert (profile.common_name, profile.dns_names) == ("::1", (long,))
    with pytest.raises(IssuanceRefused):
        server_profile([long])


@pytest.mark.parametrize("common_name", ["", "x" * 65, "a\nb"], ids=["empty", "long", "control"])
def test_common_names_are_bounded(common_name):
    with pytest.raises(IssuanceRefused):
        Profile(Kind.ROOT, common_name, timedelta(days=1))


def test_profiles_of_leaves_are_no_authorities():
    assert not outpost_profile(SPIFFE_ID).is_authority


PROFILES = {
    "root": (root_profile("example.org", "R"), 20 * 365, None, ()),
    "intermediate": (
        intermediate_profile("example.org", "I"),
        2 * 365,
        0,
        (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH),
    ),
    "outpost": (outpost_profile(SPIFFE_ID), 7, None, (ExtendedKeyUsageOID.CLIENT_AUTH,)),
    "server": (server_profile(["localhost"]), 90, None, (ExtendedKeyUsageOID.SERVER_AUTH,)),
    "ingress": (ingress_profile(["localhost"]), 90, None, (ExtendedKeyUsageOID.SERVER_AUTH,)),
}


@pytest.mark.parametrize(("profile", "days", "path_length", "usages"), PROFILES.values(), ids=PROFILES.keys())
def test_what_each_kind_may_do_and_for_how_long(profile, days, path_length, usages):
    assert profile.lifetime == timedelta(days=days)
    assert (profile.path_length, profile.extended_key_usages) == (path_length, usages)


def test_only_the_intermediate_is_bound_to_the_trust_domain():
    bound = {name: row[0].permitted_trust_domain for name, row in PROFILES.items()}
    assert bound == {"root": None, "intermediate": "example.org", "outpost": None, "server": None, "ingress": None}


@pytest.mark.parametrize("make", [root_profile, intermediate_profile])
def test_a_trust_domain_must_be_one(make):
    with pytest.raises(CertificateInvalid):
        make("Example org", "A")


def test_a_cross_certificate_is_the_new_root_over_again():
    signer = LocalSigner(generate_private_key())
    root = create_root(signer, trust_domain="example.org", common_name="R2", at=NOON).certificate
    profile = cross_profile(root)
    assert (profile.kind, profile.common_name, profile.path_length, profile.is_authority) == (
        Kind.CROSS, "R2", None, True,
    )  # fmt: skip
    assert profile.within == (root.not_valid_before_utc, root.not_valid_after_utc)


def test_a_leaf_is_no_new_root():
    with pytest.raises(IssuanceRefused, match="not an authority"):
        cross_profile(authority().outpost().certificate)


@pytest.mark.parametrize("backdate", [timedelta(seconds=-1), timedelta(days=1, seconds=1)])
def test_a_certificate_begins_at_most_a_day_before_its_issue(backdate):
    with pytest.raises(IssuanceRefused, match="at most a day before"):
        replace(outpost_profile(SPIFFE_ID), backdate=backdate)

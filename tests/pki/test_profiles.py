from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.errors import CertificateInvalid, IssuanceRefused
from pki.names import SpiffeId
from pki.profiles import Kind, Profile, intermediate_profile, outpost_profile, root_profile, server_profile

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
    "root": (root_profile("example.org", "R"), 20 * 365, 1, ()),
    "intermediate": (
        intermediate_profile("example.org", "I"),
        2 * 365,
        0,
        (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH),
    ),
    "outpost": (outpost_profile(SPIFFE_ID), 7, None, (ExtendedKeyUsageOID.CLIENT_AUTH,)),
    "server": (server_profile(["localhost"]), 90, None, (ExtendedKeyUsageOID.SERVER_AUTH,)),
}


@pytest.mark.parametrize(("profile", "days", "path_length", "usages"), PROFILES.values(), ids=PROFILES.keys())
def test_what_each_kind_may_do_and_for_how_long(profile, days, path_length, usages):
    assert profile.lifetime == timedelta(days=days)
    assert (profile.path_length, profile.extended_key_usages) == (path_length, usages)


def test_only_the_intermediate_is_bound_to_the_trust_domain():
    bound = {name: row[0].permitted_trust_domain for name, row in PROFILES.items()}
    assert bound == {"root": None, "intermediate": "example.org", "outpost": None, "server": None}


@pytest.mark.parametrize("make", [root_profile, intermediate_profile])
def test_a_trust_domain_must_be_one(make):
    with pytest.raises(CertificateInvalid):
        make("Example org", "A")

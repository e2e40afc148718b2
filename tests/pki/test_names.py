from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pki.errors import CertificateInvalid, Reason
from pki.names import SpiffeId, parse_server_name, parse_spiffe_id, require_trust_domain

NOT_SPIFFE_IDS = {
    "empty": "",
    "other scheme": "https://example.org/org/acme/outpost/o1",
    "upper case scheme": "SPIFFE://example.org/org/acme/outpost/o1",
    "upper case domain": "spiffe://Example.org/org/acme/outpost/o1",
    "port": "spiffe://example.org:443/org/acme/outpost/o1",
    "user": "spiffe://me@example.org/org/acme/outpost/o1",
    "query": "spiffe://example.org/org/acme/outpost/o1?x",
    "fragment": "spiffe://example.org/org/acme/outpost/o1#x",
    "escape": "spiffe://example.org/org/acme/outpost/o%31",
    "trailing slash": "spiffe://example.org/org/acme/outpost/o1/",
    "trailing newline": "spiffe://example.org/org/acme/outpost/o1\n",
    "dot segment": "spiffe://example.org/org/../outpost/o1",
    "empty id": "spiffe://example.org/org//outpost/o1",
    "no domain": "spiffe:///org/acme/outpost/o1",
    "another path": "spiffe://example.org/ns/acme/sa/o1",
    "hyphen first": "spiffe://example.org/org/-acme/outpost/o1",
    "id of 64": f"spiffe://example.org/org/acme/outpost/{'o' * 64}",
    "not ASCII": "spiffe://example.org/org/ácme/outpost/o1",
    "domain of 256": f"spiffe://{'a.' * 127}aa/org/acme/outpost/o1",
    "NUL": "spiffe://example.org/org/acme/outpost/o1\x00",
}


@pytest.mark.parametrize("uri", NOT_SPIFFE_IDS.values(), ids=NOT_SPIFFE_IDS.keys())
def test_other_uris_are_refused(uri):
    with pytest.raises(CertificateInvalid) as refusal:
        parse_spiffe_id(uri)
    assert refusal.value.reason is Reason.NAME
    assert uri == "" or uri not in str(refusal.value)


@pytest.mark.parametrize(
    ("trust_domain", "org_id", "outpost_id"),
    [("example.org", "acme", "o1"), ("localhost", "a", "b"), ("a-b.example", "0" * 63, "x-y")],
)
def test_an_identity_survives_its_uri(trust_domain, org_id, outpost_id):
    spiffe_id = SpiffeId(trust_domain, org_id, outpost_id)
    assert spiffe_id.uri == f"spiffe://{trust_domain}/org/{org_id}/outpost/{outpost_id}"
    assert parse_spiffe_id(spiffe_id.uri) == spiffe_id


@pytest.mark.parametrize(
    "parts",
    [("Example.org", "acme", "o1"), ("example.org", "a/b", "o1"), ("example.org", "acme", ""), ("", "acme", "o1")],
)
def test_an_identity_that_cannot_be_spelled_cannot_be_made(parts):
    with pytest.raises(CertificateInvalid):
        SpiffeId(*parts)


def _outcome(parse, text):
    try:
        return parse(text)
    except CertificateInvalid as err:
        return err.reason


@given(st.text() | st.text(alphabet="spiffe:/orgutxaml.-019?#%@").map("spiffe://".__add__))
@example("spiffe://example.org/org/acme/outpost/o1")
def test_any_text_is_an_identity_spelled_the_one_way_or_refused(text):
    parsed = _outcome(parse_spiffe_id, text)
    assert parsed is Reason.NAME or parsed.uri == text


@pytest.mark.parametrize("name", ["localhost", "a.example.org", "127.0.0.1", "::1", "2001:db8::5"])
def test_server_names(name):
    assert str(parse_server_name(name)) == name


@pytest.mark.parametrize(
    "name",
    ["", "*.example.org", "Example.org", "example.org.", "exa mple", "1.2.3", "1.2.3.4.5", "0x7f.1", "fe80::1%eth0"],
)
def test_other_server_names_are_refused(name):
    with pytest.raises(CertificateInvalid) as refusal:
        parse_server_name(name)
    assert refusal.value.reason is Reason.NAME


@given(st.text(max_size=300))
def test_any_text_is_a_server_name_or_refused(text):
    name = _outcome(parse_server_name, text)
    assert name is Reason.NAME or name == text or name == ip_address(text)


def test_a_trust_domain_is_returned_as_it_is():
    assert require_trust_domain("example.org") == "example.org"

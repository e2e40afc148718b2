import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.allow import allow_digest, allowing, plain_form
from outpost.dlp.engine import Engine
from outpost.dlp.registry import ALL
from outpost.dlp.stream import StreamScanner
from outpost.protocol.detectors import AllowEntry, KeyedDigests

CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"
PEPPER = b"p" * 32


def kinds(text, *entries, peppers=None) -> list[str]:
    engine = Engine(allowing(ALL, entries, peppers or {}))
    return [finding.kind for finding in engine.scan(text)]


def values(*texts, kinds=("pci.pan",)) -> AllowEntry:
    return AllowEntry(id="a", kinds=list(kinds), values=list(texts))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("4111-1111 1111.1111", "4111111111111111"),
        ("Anna.Smith@ACME.example", "anna.smith@acme.example"),
        ("DE89 3704", "de893704"),
        ("a-b c", "a-bc"),
        ("\N{FULLWIDTH DIGIT ONE}2", "12"),
    ],
)
def test_the_form_in_which_values_are_compared(value, form):
    assert plain_form(value) == form


def test_an_allowed_value_is_no_finding_however_it_is_written():
    for written in (CARD, "4111111111111111", "4111-1111-1111-1111"):
        assert kinds(written) == ["pci.pan"]
        assert kinds(written, values("4111111111111111")) == []
    assert kinds("4012 8888 8888 1881", values(CARD)) == ["pci.pan"]


def test_it_counts_for_its_kinds_only():
    assert kinds(CARD, values(CARD, kinds=["pii.*", "fin.iban"])) == ["pci.pan"]
    assert kinds(CARD, values(CARD, kinds=["pci.*"])) == []
    assert kinds(CARD, values(CARD, kinds=["*"])) == []


def test_digests_need_their_pepper():
    digest = allow_digest(PEPPER, "de89370400440532013000")
    entry = AllowEntry(id="d", kinds=["fin.iban"], digests=KeyedDigests(pepper_id="p1", hmac_sha256=[digest]))
    assert kinds(IBAN, entry) == ["fin.iban"]
    assert kinds(IBAN, entry, peppers={"p1": b"other"}) == ["fin.iban"]
    assert kinds(IBAN, entry, peppers={"p1": PEPPER}) == []
    assert kinds("GB82 WEST 1234 5698 7654 32", entry, peppers={"p1": PEPPER}) == ["fin.iban"]


DOMAINS = AllowEntry(id="e", kinds=["pii.email"], email_domains=["acme.example", "*.lab.example"])


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("anna@acme.example", True),
        ("Anna@ACME.Example", True),
        ("anna@mail.acme.example", False),
        ("anna@notacme.example", False),
        ("anna@acme.example.evil.example", False),
        ("anna@lab.example", False),
        ("anna@x.lab.example", True),
        ("anna@xlab.example", False),
    ],
)
def test_addresses_at_the_orgs_own_domains(address, allowed):
    assert kinds(f"write to {address}.", DOMAINS) == ([] if allowed else ["pii.email"])


def test_an_allowed_value_hides_nothing_else():
    """An address that holds a key: the address may go, the key may not."""
    token = "ghp_" + "a1B2c3D4e5" * 3 + "a1B2c3"
    assert "secret.github_token" in kinds(f"{token}@acme.example", DOMAINS)


@settings(deadline=None)  # the first scan compiles the engine
@given(
    st.lists(
        st.sampled_from([CARD, "4111111111111111", "4012888888881881", "41", "1", " ", "-", "x", "5", "+49 30 901820"]),
        max_size=12,
    ),
    st.integers(1, 7),
)
def test_a_stream_overlooks_the_same(pieces, size):
    text = "".join(pieces)
    engine = Engine(allowing(ALL, [values(CARD), values("+4930901820", kinds=["pii.phone"])], {}))
    stream, released = StreamScanner(engine), []
    for at in range(0, len(text), size):
        released += stream.feed(text[at : at + size])
    released += stream.finish()
    offset, findings = 0, []
    for part in released:
        findings += [(f.kind, f.start + offset, f.end + offset) for f in part.findings]
        offset += len(part.text)
    assert findings == [(f.kind, f.start, f.end) for f in engine.scan(text)]

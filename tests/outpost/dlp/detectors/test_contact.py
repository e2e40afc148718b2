import pytest

from outpost.dlp.detectors import contact
from tests.outpost.dlp.detectors import by_case
from tests.outpost.dlp.detectors.table import found


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("alice@example.org", "alice@example.org"),
        ("<Alice.B+tag@mail.example.co.uk>,", "Alice.B+tag@mail.example.co.uk"),
        ("mailto:alice@example.org?x", "alice@example.org"),
        ("'alice@example.org'", "alice@example.org"),
        ("write to o'hara@example.org.", "o'hara@example.org"),
        ("josé@exämple.de", "josé@exämple.de"),
        ("łukasz@example.pl", "łukasz@example.pl"),
        ("邮箱alice@example.org。", "alice@example.org"),
        ("alice＠example．org", "alice＠example．org"),  # noqa: RUF001 - full-width signs
        ("ali\u200bce@exa\u00admple.org", "ali\u200bce@exa\u00admple.org"),
        ("a@xn--exmple-cua.xn--p1ai", "a@xn--exmple-cua.xn--p1ai"),
    ],
)
def test_email_found(text, span):
    assert found(text, "pii.email") == [("pii.email", span)]


@pytest.mark.parametrize(
    "text",
    ["alice@", "@example.org", "alice@example", "icon@2x.png", "git@github.com:org/x.git", "alice@-x.org",
     "alice@example.o", "@app.route",
     "https://some.token@git.example.org/x", "ftp://bob:pw@files.example.org", "x" * 65 + "@example.org",
     "pkg@1.2.3", "a@b@c"],
)  # fmt: skip
def test_email_near_misses(text):
    assert found(text, "pii.email") == []


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("+44 20 7946 0958", "+44 20 7946 0958"),
        ("+442079460958", "+442079460958"),
        ("+44 (0)20 7946 0958", "+44 (0)20 7946 0958"),
        ("+1 (650) 253-0000", "+1 (650) 253-0000"),
        ("+1-650-253-0000 ext. 12", "+1-650-253-0000 ext. 12"),
        ("+49 30 901820, please", "+49 30 901820"),
        ("+86 10 6552 9988。", "+86 10 6552 9988"),
        ("＋44 20 7946 0958", "＋44 20 7946 0958"),  # noqa: RUF001 - full-width sign
        ("+1 650 253 0000 2024", "+1 650 253 0000"),
        ("(650) 253-0000", "(650) 253-0000"),
        ("650-253-0000", "650-253-0000"),
        ("650.253.0000.", "650.253.0000"),
        ("1-650-253-0000", "1-650-253-0000"),
        ("650-253-0000x123", "650-253-0000x123"),
        ("phone 6502530000", "6502530000"),
        ("Tel: 020 7946 0958", "020 7946 0958"),
        ("Telefon 030 901820", "030 901820"),
        ("call me on 07400 123456 tonight", "07400 123456"),
        ("电话: 010 6552 9988", "010 6552 9988"),
        ("020 7946 0958", "020 7946 0958"),
        ("0044 20 7946 0958", "0044 20 7946 0958"),
        ("my phone is +1 650-253-0000", "+1 650-253-0000"),
        ("phone 001-650-253-0000x12", "001-650-253-0000x12"),
        ("Desk: 2065550143", "2065550143"),
    ],
)
def test_phone_found(text, span):
    assert found(text, "pii.phone") == [("pii.phone", span)]


@pytest.mark.parametrize(
    "text",
    [
        "6502530000",
        "order 12345678",
        "2024-03-12 10:15:30",
        "on 12.03.2024",
        "call on 2024-03-12",
        "call on 2024-03-12 10:15",
        "call on 12.03.2024 14",
        "x+442079460958",
        "1+44207946095812345",
        "+999 1234 5678",
        "650-253-00000",
        "12-650-253-0000-1",
        "4111-1111-1111-1111",
        "10.20.30.40",
        "123-456-7890",  # no area code begins with 1
        "0.6502530000",
        "1,234,567,890",
        "phone 12345",
    ],
)
def test_phone_near_misses(text):
    assert found(text, "pii.phone") == []


by_name = pytest.mark.parametrize("name", by_case.names_of(contact))


@by_name
def test_positives_by_name(name):
    by_case.assert_positives(name)


@by_name
def test_near_misses_by_name(name):
    by_case.assert_near_misses(name)

import random
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import SharesInvalid
from pki.shares import MAX_SECRET_BYTES, Share, _interpolate, combine, multiply, parse_share, split

SECRET = b"correct horse battery staple"
SHARES = split(SECRET)


@pytest.mark.parametrize(
    ("a", "b", "product"),
    [(0x57, 0x83, 0xC1), (0x57, 0x13, 0xFE), (0x57, 0x02, 0xAE), (0x57, 0x10, 0x07), (3, 7, 9), (0, 3, 0)],
)
def test_the_field_is_that_of_aes(a, b, product):
    """FIPS 197 §4.2 and §4.2.1."""
    assert multiply(a, b) == multiply(b, a) == product


def test_the_published_shares_give_the_published_secret():
    """draft-mcgrew-tss-03 §9: the secret 74 65 73 74 00 in two shares."""
    shares = [
        Share(b"test", 2, 1, bytes.fromhex("b9fa07e185")),
        Share(b"test", 2, 2, bytes.fromhex("f5409b4511")),
    ]
    assert _interpolate(shares, 0).hex() == "7465737400"
    assert _interpolate(shares[::-1], 1) == shares[0].value


def test_any_three_of_five_give_the_secret_and_fewer_do_not():
    assert [share.index for share in SHARES] == [1, 2, 3, 4, 5]
    for count in range(6):
        for some in combinations(SHARES, count):
            if count >= 3:
                assert combine(some) == SECRET
            else:
                with pytest.raises(SharesInvalid, match="no share" if count == 0 else "3 shares are needed"):
                    combine(some)


@given(st.binary(min_size=1, max_size=64), st.data())
def test_any_secret_comes_back_through_its_text(secret, data):
    shares = data.draw(st.integers(2, 12))
    threshold = data.draw(st.integers(2, shares))
    source = random.Random(data.draw(st.integers()))
    texts = [share.text for share in split(secret, shares, threshold, source.randbytes)]
    source.shuffle(texts)
    assert combine(parse_share(text) for text in texts[:threshold]) == secret


def test_fewer_shares_than_the_threshold_say_nothing():
    """With two of three shares fixed, every value of the secret's first byte is as possible as any other."""
    known = [Share(b"test", 3, index, bytes([value])) for index, value in ((1, 0x12), (2, 0x34))]
    secrets = {_interpolate([*known, Share(b"test", 3, 3, bytes([value]))], 0) for value in range(256)}
    assert len(secrets) == 256


def test_shares_are_drawn_from_what_is_passed_in():
    first, again = (split(SECRET, 5, 3, random.Random(7).randbytes) for _ in range(2))
    assert first == again
    assert first != split(SECRET, 5, 3, random.Random(8).randbytes)
    assert split(SECRET)[0] != split(SECRET)[0]


WRONG = {
    "of two sets": [SHARES[0], SHARES[1], split(SECRET)[2]],
    "of two sets that claim to be one": [*SHARES[:2], replace(split(SECRET)[2], set_id=SHARES[0].set_id)],
    "one damaged": [*SHARES[:2], replace(SHARES[2], value=bytes(len(SHARES[2].value)))],
    "one too many, damaged": [*SHARES[:3], replace(SHARES[3], value=bytes(len(SHARES[3].value)))],
    "one under another number": [*SHARES[:2], replace(SHARES[2], index=9)],
    "one number, two values": [*SHARES[:3], replace(SHARES[2], value=bytes(len(SHARES[2].value)))],
    "another threshold": [*SHARES[:2], replace(SHARES[2], threshold=2)],
    "another length": [*SHARES[:2], replace(SHARES[2], value=SHARES[2].value[1:])],
    "nothing in them": [Share(b"test", 2, index, b"") for index in (1, 2)],
    "one share twice": [SHARES[0], SHARES[0], SHARES[1]],
}


@pytest.mark.parametrize("shares", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_set_is_noticed(shares):
    with pytest.raises(SharesInvalid):
        combine(shares)


def test_a_share_given_twice_counts_once():
    assert combine([*SHARES[:3], SHARES[0]]) == SECRET


def test_the_text_is_easy_to_type():
    text = SHARES[0].text
    assert text.startswith("OSHARE-")
    assert set(text.removeprefix("OSHARE")) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ-")
    assert max(map(len, text.split("-"))) == 6
    body = text.removeprefix("OSHARE")
    for typed in (
        text.lower(),
        text.replace("-", " "),
        text.replace("-", ""),
        f"  {text}\n",
        "oshare" + body.replace("0", "o").replace("1", "l"),
        "Oshare" + body.replace("1", "I"),
    ):
        assert parse_share(typed) == SHARES[0]


def test_every_typing_error_is_noticed():
    text = SHARES[0].text
    for place in range(len("OSHARE-"), len(text)):
        if text[place] == "-":
            continue
        wrong = "0" if text[place] != "0" else "7"
        for typed in (text[:place] + wrong + text[place + 1 :], text[:place] + text[place + 1 :]):
            with pytest.raises(SharesInvalid):
                parse_share(typed)


@given(st.text(max_size=200) | st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", max_size=120).map("OSHARE".__add__))
def test_any_text_is_a_share_or_refused(text):
    with pytest.raises(SharesInvalid):
        parse_share(text)


@pytest.mark.parametrize("text", ["OSHARE", "OSHARE-", "OSHARE-UUUUU", "OSHARE-0" + "0" * 5000])
def test_what_is_no_share(text):
    with pytest.raises(SharesInvalid):
        parse_share(text)


@pytest.mark.parametrize("changes", [{"threshold": 1}, {"threshold": 0}, {"index": 0}])
def test_a_share_nobody_made_is_refused(changes):
    with pytest.raises(SharesInvalid):
        parse_share(replace(SHARES[0], **changes).text)


@pytest.mark.parametrize(
    ("secret", "shares", "threshold"),
    [(b"", 5, 3), (b"x" * (MAX_SECRET_BYTES + 1), 5, 3), (b"x", 5, 6), (b"x", 5, 1), (b"x", 256, 3)],
)
def test_bounds(secret, shares, threshold):
    with pytest.raises(ValueError, match=r"bytes|shares"):
        split(secret, shares, threshold)


def test_a_share_does_not_show_itself():
    assert SHARES[0].value.hex() not in repr(SHARES[0])
    assert repr(SHARES[0].value) not in repr(SHARES[0])

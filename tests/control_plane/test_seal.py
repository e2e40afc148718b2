"""Shares are counted, checked and dropped; whatever stands in ``seal.json`` is a seal or the typed error."""

import itertools
import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.errors import KeysUnsafe, ShareRefused
from control_plane.seal import SEAL_FILE, Seal, Unsealing, make_seal, parse_seal, read_seal, write_seal
from pki.shares import parse_share


@pytest.fixture(scope="module")
def made():
    return make_seal(5, 3, os.urandom)


def test_any_three_of_five_in_any_order_give_the_passphrase(made):
    for chosen in itertools.permutations(made.shares, 3):
        unsealing = Unsealing(made.seal)
        assert [unsealing.give(text) for text in chosen] == [None, None, made.passphrase]
        assert unsealing.given == 0  # nothing of it is kept


def test_nothing_shows_the_passphrase_or_a_share(made):
    shown = repr(made) + repr(Unsealing(made.seal))
    assert made.passphrase.decode() not in shown
    assert not [share for share in made.shares if share in shown]


def test_what_is_wrong_changes_nothing_and_says_how_far_it_is(made):
    other = make_seal(5, 3, os.urandom)
    unsealing = Unsealing(made.seal)
    assert unsealing.give(made.shares[0].lower().replace("-", " ")) is None
    mistyped = made.shares[1][:-1] + ("0" if made.shares[1][-1] != "0" else "1")
    for text, words in [
        ("", "begins with OSHARE"),
        (mistyped, "wrong or missing"),
        (other.shares[1], "not of this installation"),
        (made.shares[0], "share 1 was given already"),
    ]:
        with pytest.raises(ShareRefused, match=words) as refused:
            unsealing.give(text)
        assert "1 of 3 shares given" in refused.value.message
        assert not text or text not in refused.value.message
    assert (unsealing.given, unsealing.progress) == (1, "sealed: 1 of 3 shares given")
    unsealing.reset()
    assert unsealing.given == 0


def _forged(share_of, index_of):
    """A share with a right checksum, the value of one and the number of another."""
    return replace(parse_share(share_of), index=parse_share(index_of).index).text


def test_a_forged_share_drops_them_all_instead_of_opening_anything(made):
    unsealing = Unsealing(made.seal)
    for text in (made.shares[0], _forged(made.shares[4], made.shares[1])):
        assert unsealing.give(text) is None
    with pytest.raises(ShareRefused, match="All were dropped, begin again"):
        unsealing.give(made.shares[2])
    assert unsealing.given == 0
    unsealing.give(made.shares[0])
    with pytest.raises(ShareRefused, match="one is forged"):
        unsealing.give(_forged(made.shares[4], made.shares[0]))
    assert unsealing.given == 0


@pytest.mark.parametrize(("shares", "threshold"), [(5, 1), (2, 3), (256, 3)])
def test_numbers_that_cannot_be_are_refused(shares, threshold):
    with pytest.raises(ValueError, match="shares"):
        make_seal(shares, threshold, os.urandom)


def test_a_seal_is_read_as_it_was_written(made, tmp_path):
    assert read_seal(tmp_path) is None
    write_seal(tmp_path, made.seal)
    assert read_seal(tmp_path) == made.seal == Seal(made.seal.set_id, 5, 3)
    for damage in (b"", b"[" * 100_000, b'{"version": 1, "set": "00", "shares": true, "threshold": 2}'):
        (tmp_path / SEAL_FILE).write_bytes(damage)
        with pytest.raises(KeysUnsafe, match="restore it from a backup"):
            read_seal(tmp_path)


_VALUES = st.integers() | st.booleans() | st.text(max_size=8) | st.none() | st.sampled_from(["0a0b0c0d", 1, 3, 5])


@given(
    st.binary(max_size=200)
    | st.fixed_dictionaries(dict.fromkeys(("version", "set", "shares", "threshold"), _VALUES)).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_any_bytes_give_a_seal_or_a_value_error(content):
    try:
        seal = parse_seal(content)
    except ValueError:
        return
    assert 2 <= seal.threshold <= seal.shares <= 255

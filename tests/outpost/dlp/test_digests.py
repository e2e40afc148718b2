import hmac
from array import array
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.digests import (
    FIRST,
    Filter,
    Prf,
    Table,
    Values,
    mixed_first,
    mixed_pair,
    numbers,
    sorted_section,
)

VALUES = st.integers(0, 2**62 - 1).map(lambda number: number << 2)


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=200))
def test_the_function_is_hmac_sha256(key, message):
    assert Prf(key)(message) == hmac.digest(key, message, "sha256")


def test_words_have_a_digest_and_a_value_that_says_nothing_of_it():
    prf = Prf(b"k")
    digest, value = prf.word("nightjar")
    assert digest == prf.digest("nightjar")
    assert (value & 3, value >> 2 != digest >> 2) == (0, True)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50), st.integers(0, 2**64 - 1))
def test_a_table_holds_what_was_put_in(digests, other):
    table = Table(memoryview(sorted_section(digests)))
    assert len(table) == len(set(digests))
    assert all(digest in table for digest in digests)
    assert (other in table) == (other in digests)


def test_a_digest_that_stands_twice_is_found_at_all_its_places():
    table = Table(memoryview(array("Q", [1, 5, 5, 5, 2**64 - 1]).tobytes()))
    assert list(table.places(5)) == [1, 2, 3]
    assert list(table.places(4)) == []
    assert list(table.places(2**64 - 1)) == [4]


def test_numbers_are_little_endian():
    assert list(numbers(memoryview(b"\x01\x00\x00\x00\x00\x01\x00\x00"), "I")) == [1, 256]


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40))
def test_a_filter_knows_every_pair_that_was_put_in(pairs):
    bits = Filter.for_elements(2 * len(pairs))
    for first, second in pairs:
        bits.add(mixed_first(first))
        bits.add(mixed_pair(first, second))
    read = Filter(memoryview(bits.to_bytes()))
    assert read.power == bits.power
    assert all(mixed_first(first) in read and mixed_pair(first, second) in read for first, second in pairs)
    assert all(mixed_pair(first | FIRST, second | FIRST) in read for first, second in pairs)
    assert all(0 in read.begins([first | FIRST, second]) for first, second in pairs)


def test_a_filter_lets_few_strangers_through():
    prf = Prf(b"k")
    values = [prf.word(str(number))[1] for number in range(4000)]
    bits = Filter.for_elements(2000)
    for first, second in pairwise(values[:2001]):
        bits.add(mixed_pair(first, second))
    strangers = sum(mixed_pair(second, first) in bits for first, second in pairwise(values))
    assert strangers < 4000 * 0.05  # 1.4 % expected


def test_words_are_asked_for_once_and_too_long_ones_never():
    asked = []

    def flags(digest, value):
        asked.append(digest)
        return FIRST

    values = Values(Prf(b"k"), flags)
    first = values.of(["Night", "NIGHT", "x" * 65])
    assert first[0] == first[1] != 0
    assert first[0] & FIRST
    assert first[2] == 0
    assert values.of(["Night"]) == first[:1]
    assert len(asked) == 2  # once for each way of writing it

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.detectors import payment
from outpost.dlp.detectors.payment import find_cards, luhn
from tests.outpost.dlp.detectors import by_case
from tests.outpost.dlp.detectors.table import found

# Test numbers that card networks and payment processors publish: valid by issuer range, length and Luhn.
CARDS = {
    "visa": "4111111111111111",
    "visa 19": "4000000000000000006",
    "mastercard": "5555555555554444",
    "mastercard, first of the 2-series": "2221000000000009",
    "mastercard, 2-series": "2223003122003222",
    "amex": "378282246310005",
    "amex 34": "343434343434343",
    "discover": "6011111111111117",
    "jcb": "3530111333300000",
    "diners": "30569309025904",
    "diners 36": "36227206271667",
    "diners 38": "38520000023237",
    "unionpay": "6200000000000005",
    "unionpay 19": "6205500000000000004",
    "maestro": "6759649826438453",
}


def with_check_digit(body):
    return body + next(d for d in "0123456789" if luhn(body + d))


CARDS["discover 65"] = with_check_digit("651000000000000")
CARDS["mir"] = with_check_digit("220000000000000")


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS.keys())
@pytest.mark.parametrize(
    "shape", ["{}", "card: {}.", "({})", "卡号{}请", "cc={},", '{{"number":"{}"}}', "{}\n12/27", "x {}/y"]
)
def test_networks_are_found_wherever_they_stand(card, shape):
    assert found(shape.format(card), "pci") == [("pci.pan", card)]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "3782 822463 10005",
        "3056 930902 5904",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "41 11 11 11 11 11 11 11",
        "6205 5000 0000 0000 004",
        "620550 0000000000004",
        "4111 1111-1111 1111",
    ],
)
def test_separators_within_the_number(text):
    assert found(text, "pci") == [("pci.pan", text)]


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("4111 1111 1111 1111 123", ["4111 1111 1111 1111"]),
        ("room 12 4111 1111 1111 1111 12/27", ["4111 1111 1111 1111"]),
        ("4111111111111111 5555555555554444", ["4111111111111111", "5555555555554444"]),
        ("4111 1111 1111 1111 5555 5555 5555 4444", ["4111 1111 1111 1111", "5555 5555 5555 4444"]),
        ("1234 4111 1111 1111 1111", ["4111 1111 1111 1111"]),
        ("4111111111111111.", ["4111111111111111"]),
        (
            "4111 1111 1111 1111 5555 5555 5555 4444 4111 1111 1111 1111",
            ["4111 1111 1111 1111", "5555 5555 5555 4444", "4111 1111 1111 1111"],
        ),
        ("1234 4321 4111 1111 1111 1111 2222 3333", []),
        ("4111 1111 1111 1111 2222 3333 4444 5556", []),
        ("2222 3333 4444 5556 4111 1111 1111 1111", []),
        ("5 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 7", []),
        ("4111111111111111-", ["4111111111111111"]),
    ],
)
def test_neighbours_do_not_hide_a_card(text, cards):
    assert [span for _, span in found(text, "pci")] == cards


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # check digit
        "411111111111111",  # length
        "9111111111111111",  # no issuer
        "0000000000000000",
        "1111111111111117",
        "84111111111111111",  # piece of a longer run
        "41111111111111112222222222",
        "4111111111111111.00",
        "0.4111111111111111",
        "12-4111111111111111",
        "4111-1111-1111-1111-1111",
        "a4111111111111111",
        "4111111111111111b",
        "41111 11111 1 11111",  # no card is printed so
        "20240117 153000 12345",
        "1700000000000",
        "978-3-16-148410-0",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "4222222222222",  # a 13-digit number without a word is more often a bar code
    ],
)
def test_near_misses(text):
    assert found(text, "pci") == []


def test_a_short_card_needs_a_word():
    assert found("Visa 4222222222222", "pci") == [("pci.pan", "4222222222222")]


@given(st.text("0123456789", min_size=1, max_size=25))
def test_luhn_refuses_every_single_wrong_digit(body):
    good = with_check_digit(body)
    for i, digit in enumerate(good):
        assert not luhn(good[:i] + str((int(digit) + 1) % 10) + good[i + 1 :])


@given(
    st.lists(st.tuples(st.text("0123456789", min_size=1, max_size=20), st.sampled_from(" .-")), min_size=1, max_size=9)
)
def test_any_run_gives_ordered_spans_within_it(groups):
    run = "".join(group + separator for group, separator in groups)[:-1]
    at = 0
    for begin, stop in find_cards(run, 0, len(run)):
        assert at <= begin < stop <= len(run)
        assert luhn("".join(filter(str.isdigit, run[begin:stop])))
        at = stop


by_name = pytest.mark.parametrize("name", by_case.names_of(payment))


@by_name
def test_positives_by_name(name):
    by_case.assert_positives(name)


@by_name
def test_near_misses_by_name(name):
    by_case.assert_near_misses(name)

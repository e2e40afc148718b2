"""The held-out sets are what they say: checksums right, labels on their values, disguises undone, nothing twice."""

import base64
import random
from urllib.parse import unquote

import pytest
from stdnum import iban, luhn
from stdnum.us import rtn

from bench import eval_held_out
from bench.eval_metrics import Found
from bench.held_out import disguises, prompts, sets
from bench.held_out.credentials import crc
from bench.held_out.identifiers import OTHER

MAKE = {one.label: one.make for one in OTHER}


@pytest.fixture(scope="module")
def small() -> sets.HeldOut:
    return sets.build(seed=5, per_type=1)


@pytest.mark.parametrize(
    ("label", "is_valid"),
    [
        ("card", lambda value: luhn.is_valid(value.replace("-", "").replace(" ", ""))),
        ("iban", iban.is_valid),
        ("aba", rtn.is_valid),
        ("npi", lambda value: luhn.is_valid(f"80840{value}")),
        ("imei", luhn.is_valid),
    ],
)
def test_values_have_right_checksums(label: str, is_valid):
    rng = random.Random(3)

    assert all(is_valid(MAKE[label](rng)) for _ in range(50))


def test_a_token_ends_with_its_checksum():
    # The CRC-32 of the nine digits is CBF43926 (its published check value): 3 45 35 27 22 14 in base 62.
    assert crc("ghp_", "123456789") == "ghp_1234567893jZRME"


def test_every_type_is_there_and_labelled_where_it_stands(small: sets.HeldOut):
    samples = small.positives.samples

    assert {label.label for one in samples for label in one.labels} == {one.label for one in sets.TYPES}
    assert all(0 <= label.start < label.end <= len(one.text) for one in samples for label in one.labels)
    assert small.strict < small.positives.kinds.keys()


def test_the_second_generation_has_other_formats_and_no_text_of_the_first(small: sets.HeldOut):
    second = sets.build(seed=5, per_type=1, generation=2)

    assert {label.label for one in second.positives.samples for label in one.labels} == {
        one.label for one in sets.SECOND
    }
    assert not {one.text for one in second.positives.samples} & {one.text for one in small.positives.samples}
    assert second.placeholders.keys().isdisjoint(small.placeholders.keys() - {"placeholder"})


def test_a_seed_gives_the_same_texts_but_for_private_keys(small: sets.HeldOut):
    again = sets.build(seed=5, per_type=1)

    assert again.prompts == small.prompts
    assert again.numbers == small.numbers
    other = sum(a != b for a, b in zip(small.positives.samples, again.positives.samples, strict=True))
    assert other <= 2  # `private key`, `openssh key`: the library has its own chance


def test_prompts_are_all_different():
    made = prompts.prompts(random.Random(1), 1_500)

    assert len(set(made)) == 1_500


@pytest.mark.parametrize(
    ("way", "undo"),
    [
        ("base64", lambda text: base64.b64decode(text).decode()),
        ("base64 twice", lambda text: base64.b64decode(base64.b64decode(text)).decode()),
        ("URL encoding twice", lambda text: unquote(unquote(text))),
        ("hexadecimal, spaced", lambda text: bytes.fromhex(text).decode()),
        ("joined with .. (Lua)", lambda text: text.replace('" .. "', "").strip('"')),
        ("\\u escapes", lambda text: text.encode().decode("unicode_escape")),
    ],
)
def test_a_disguise_can_be_undone(way: str, undo):
    write, _ = disguises.WAYS[way]

    assert undo(write(random.Random(1), "ghp_abc-4111 1111")) == "ghp_abc-4111 1111"


def test_a_value_is_cut_inside(small: sets.HeldOut):
    for sample in small.positives.samples:
        first, second = sets.segments(random.Random(1), sample)
        assert sample.labels[0].start < len(first) < sample.labels[0].end
        assert first + second == sample.text


def test_caught_is_a_finding_of_the_kind_over_the_text():
    one = sets.Disguised("base64", "see QUJD now", 4, 8, ("pci.pan",))

    assert eval_held_out.caught(one, [Found("pci.pan", 4, 8)])
    assert not eval_held_out.caught(one, [Found("pii.email", 4, 8)])
    assert not eval_held_out.caught(one, [Found("pci.pan", 0, 4)])


@pytest.mark.parametrize(
    ("label", "expected"),
    [("secret: jwt", "secrets"), ("vat.de", "id.de"), ("id.sk", "id.cz"), ("ipv6", "ip"), ("card", "card")],
)
def test_types_of_the_same_kinds_have_their_precision_together(label: str, expected: str):
    assert eval_held_out.family(label) == expected

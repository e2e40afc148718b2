import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.rarity import CLASSES, bits_per_sign, entropy

WORDS = (
    "password",
    "configuration",
    "get_user_by_name",
    "connection_string",
    "the",
    "maximum_token_length",
    "Geheimnis",
)


@pytest.mark.parametrize("word", WORDS)
def test_words_cost_less_than_random_strings_of_their_length(word):
    rng = random.Random(7)
    alphabet = string.ascii_letters + string.digits
    made = ["".join(rng.choice(alphabet) for _ in word) for _ in range(200)]
    assert sum(bits_per_sign(other) > bits_per_sign(word) for other in made) >= 190


@pytest.mark.parametrize(("text", "bits"), [("", 0), ("aaaa", 0), ("abab", 1), ("abcd", 2), ("0123456789abcdef", 4)])
def test_entropy(text, bits):
    assert entropy(text) == pytest.approx(bits)


@given(st.text(max_size=50))
def test_any_text_has_a_finite_cost(text):
    assert 0 <= bits_per_sign(text) <= 18
    assert 0 <= entropy(text) <= 6


def test_a_sign_of_each_class_is_known():
    assert len(CLASSES) == 28

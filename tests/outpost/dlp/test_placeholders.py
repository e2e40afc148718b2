# ruff: noqa: E501 - one case a line

import pytest

from outpost.dlp.placeholders import is_placeholder, looks_typed
from tests.outpost.dlp import samples


@pytest.mark.parametrize(
    "text",
    [
        "sk-your-key-here",
        "AKIAIOSFODNN7EXAMPLE",
        "<PLACEHOLDER>",
        "xxxxxxxxxxxxxxxxxxxx",
        "AAAAAAAAAAAAAAAAAAAA",
        "sk_live_fakekey9Qm2Xw7Rt4Zp",
        "ghp_sampleQm2Xw7Rt4Zp8Lk3Vb6Nd1Jh5Gf0Sa",
        "ChangeMeChangeMe",
        "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    ],
)
def test_examples_are_told_apart(text):
    assert is_placeholder(text)


@pytest.mark.parametrize("secret", samples.ALL_SECRETS)
def test_real_keys_are_not_taken_for_examples(secret):
    assert not is_placeholder(secret)


@pytest.mark.parametrize(
    "text", ["key_1234567890abcdefgh", "abcd1234efgh5678ijkl9012mnop3456", "a1b2c3d4e5f6g7h8", "12345678-abcd-4321-efab-123456789abc"]
)  # fmt: skip
def test_what_was_counted_out_is_doubtful_and_no_placeholder(text):
    assert looks_typed(text)
    assert not is_placeholder(text)


@pytest.mark.parametrize("secret", samples.ALL_SECRETS)
def test_what_a_machine_made_does_not_look_typed(secret):
    assert not looks_typed(secret)


@pytest.mark.parametrize(
    ("value", "example"), [("abc12345", True), ("1234567890abcdef", False), ("Winter2024!", False)]
)
def test_a_short_value_that_was_counted_out_is_an_example_where_it_could_be_anything(value, example):
    assert is_placeholder(value, short=True) is example
    assert not is_placeholder(value, short=True, formal=True)

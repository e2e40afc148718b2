import pytest

from outpost.dlp.placeholders import is_placeholder
from tests.outpost.dlp import samples


@pytest.mark.parametrize(
    "text",
    [
        "sk-your-key-here",
        "AKIAIOSFODNN7EXAMPLE",
        "<PLACEHOLDER>",
        "xxxxxxxxxxxxxxxxxxxx",
        "AAAAAAAAAAAAAAAAAAAA",
        "key_1234567890abcdefgh",
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

import random

from hypothesis import given
from hypothesis import strategies as st

from training import addresses
from training.names import coined


def made(seed):
    rng = random.Random(seed)
    return addresses.address(rng, lambda: "Byron", lambda: "Porto", lambda: "Mali")


@given(st.integers(0, 20_000))
def test_an_address_has_a_number_and_clean_ends(seed):
    text = made(seed)
    assert any(map(str.isdigit, text))
    assert text == text.strip(" ,;\n\t")
    assert made(seed) == text


def test_addresses_come_in_many_shapes():
    texts = [made(seed) for seed in range(400)]
    shapes = {"".join("9" if c.isdigit() else c for c in text if not c.isalpha()) for text in texts}
    assert len(shapes) > 200
    assert sum("\n" in text for text in texts) > 80
    assert sum(text.startswith(("PSC", "Unit", "CMR", "USS", "USNS", "USCGC")) for text in texts) > 5


def test_coined_names_are_new_and_begin_with_a_capital():
    rng = random.Random(3)
    texts = [coined(rng, last=bool(number % 2)) for number in range(500)]
    assert all(text[0].isupper() for text in texts)
    assert len(set(texts)) > 450

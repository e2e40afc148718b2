import random
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp import engine as engine_module
from outpost.dlp import regions
from outpost.dlp.engine import Engine
from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.registry import ALL
from outpost.dlp.rewriters.registry import REWRITERS
from tests.outpost.dlp import samples
from tests.outpost.dlp.disguises import disguised

WHOLE = Engine(ALL)


@contextmanager
def small_blocks():
    """Blocks so small that every text is long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "BLOCK_CHARS", 16)
        patch.setattr(engine_module, "BLOCK_CHARS", 16)
        # A name before a match is up to 64 signs away.
        patch.setattr(regions, "TRIGGER_MAX_CHARS", 72)
        yield


with small_blocks():
    IN_BLOCKS = Engine(ALL)


TEXTS = st.lists(
    st.one_of(
        st.sampled_from(samples.PERSONAL + samples.ALL_SECRETS + samples.AROUND),
        st.sampled_from(disguised(samples.PERSONAL + samples.ALL_SECRETS)),
        st.integers(0, 300).map(lambda size: ("word " * 60)[:size]),
        st.integers(0, 300).map(lambda size: "x1" * (size // 2)),
        st.text(max_size=40, alphabet="0123456789abcXYZ %\\&#;x=u'\"+.\n-_@{}:/"),
        st.sampled_from(["\n", " ", "\n\n"]),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_a_long_text_gives_what_a_plain_search_gives(text):
    with small_blocks():
        found = IN_BLOCKS.scan(text)
    assert found == WHOLE.scan(text)


@settings(max_examples=50, deadline=None)
@given(text=TEXTS)
def test_what_may_be_cut_off_is_the_same(text):
    with small_blocks():
        cut = IN_BLOCKS.read(text).safe_cut()
    assert cut == WHOLE.read(text).safe_cut()


def test_a_value_is_found_wherever_it_stands_in_a_long_text():
    rng = random.Random(5)
    words = " ".join(rng.choice(("meeting", "report", "budget", "x = 17", "2024-03-12\n")) for _ in range(4000))
    for secret in (*samples.PERSONAL, *samples.ALL_SECRETS):
        at = rng.randrange(len(words))
        text = f"{words[:at]} {secret} {words[at:]}"
        around = f"{words[max(0, at - 1500) : at]} {secret} {words[at : at + 1500]}"
        shift = max(0, at - 1500)
        near = [(f.kind, f.start + shift, f.end + shift) for f in WHOLE.scan(around)]
        found = [(f.kind, f.start, f.end) for f in WHOLE.scan(text)]
        assert [f for f in near if at <= f[1] <= at + len(secret)] == [
            f for f in found if at <= f[1] <= at + len(secret)
        ]


@given(
    raw=st.text(alphabet="ab ", max_size=200).map(str.encode),
    blocks=st.sets(st.integers(0, 12)).map(lambda numbers: sorted(number * 16 for number in numbers)),
)
def test_regions_are_words_around_blocks(raw, blocks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "BLOCK_CHARS", 16)
        patch.setattr(regions, "TRIGGER_MAX_CHARS", 4)
        found = regions.regions_of(raw, [block for block in blocks if block < len(raw)], b" ")
    for block in blocks:
        if block < len(raw):
            assert any(first <= block and min(block + 16, len(raw)) <= last for first, last in found)
    assert found == sorted(found)
    for number, (first, last) in enumerate(found):
        assert first < last
        assert first == 0 or raw[first - 1 : first] == b" "
        assert last == len(raw) or raw[last : last + 1] == b" "
        assert number == 0 or found[number - 1][1] < first


def test_the_boundary_is_a_sign_that_no_match_holds():
    assert regions.boundary_of(r"\b[0-9]{9}\b") == b" "
    assert regions.boundary_of("[0-9 ]{9}") == b"\n"
    assert regions.boundary_of(r"a\s+b") == b""


def test_only_few_triggers_are_long():
    long = [d.name for d in ALL if not regions.is_short(d.trigger or d.pattern)]
    assert len(long) < 20
    assert all(regions.is_short(rewriter.trigger) for rewriter in REWRITERS)


def test_each_block_is_read_with_what_is_beside_it():
    raw = one_byte_each("." * 8180 + "1234567890" + "." * 9000)
    blocks = regions.blocks_of(raw, lambda piece: [7] if b"1234567890" in piece else [])
    assert blocks == {7: [0]}

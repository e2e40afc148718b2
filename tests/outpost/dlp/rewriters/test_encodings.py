import base64
import random

import pytest

from outpost.dlp.linear import of_bytes
from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.rewrite import build
from outpost.dlp.rewriters.encodings import HEXADECIMAL, find_base64, find_hex, find_wrapped


def read(text):
    tokens = find_base64(text, one_byte_each(text), 0, len(text))
    return build(text, tokens).text if tokens else text


SAID = "The card is 4111111111111111, she said; please keep it."


@pytest.mark.parametrize("phase", range(4))
@pytest.mark.parametrize("unpadded", [False, True])
def test_base64_is_read_in_any_phase(phase, unpadded):
    written = base64.b64encode(SAID.encode()).decode()
    assert SAID[3:-3] in read("/" * phase + (written.rstrip("=") if unpadded else written))


def test_a_long_run_is_cut_into_tiles_that_read_on():
    written = base64.b64encode((SAID * 200).encode()).decode()
    tokens = find_base64(written, one_byte_each(written), 0, len(written))
    assert len(tokens) > 2
    assert build(written, tokens).text == SAID * 200
    assert max(token.end - token.start for token in tokens) <= 256
    # A stream that is cut between tiles reads the same tokens from there on.
    again = find_base64(written, one_byte_each(written), tokens[1].start, len(written))
    assert again == tokens[1:]


@pytest.mark.parametrize("width", [20, 33, 64, 76])
def test_base64_may_be_broken_anywhere(width):
    written = base64.b64encode((SAID * 2).encode()).decode()
    text = "\n".join(written[i : i + width] for i in range(0, len(written), width))
    assert SAID in build(text, find_wrapped(text, one_byte_each(text), 0, len(text))).text


@pytest.mark.parametrize("data", [random.Random(1).randbytes(200), bytes(100)])
def test_what_is_no_text_is_no_token(data):
    assert read(base64.b64encode(data).decode()) == base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("shape", "step"),
    [("{}", 2), ("{} ", 3), ("{}:", 3), ("0x{}, ", 6), (r"\x{}", 4)],
    ids=["plain", "blank", "colon", "0x", "x"],
)
def test_hexadecimal_is_read(shape, step):
    text = "".join(shape.format(f"{byte:02x}") for byte in SAID.encode())
    view = build(text, find_hex(text, one_byte_each(text), 0, len(text)))
    assert SAID in view.text
    at = view.text.index("4111")
    start, end = view.original_span(at, at + 16)
    assert 15 * step < end - start <= 16 * step + 1


@pytest.mark.parametrize(
    "dump",
    ["5555.5555.5555.4444", " ".join(SAID.encode().hex(" ", 2).split()), SAID.encode().hex("\n", 1)],
    ids=["dots", "xxd", "lines"],
)
def test_hexadecimal_in_any_groups_sets_the_trigger_off(dump):
    assert find_hex(dump, one_byte_each(dump), 0, len(dump))
    assert of_bytes(HEXADECIMAL.trigger).occurs(one_byte_each(dump))


@pytest.mark.parametrize("shape", ["{}", "{} ", "0x{}, ", r"\x{}"], ids=["plain", "blank", "0x", "x"])
def test_a_stream_may_be_cut_between_hexadecimal_tokens(shape):
    text = "".join(shape.format(f"{byte:02x}") for byte in (SAID * 40).encode())
    tokens = find_hex(text, one_byte_each(text), 0, len(text))
    assert len(tokens) > 5
    for token, before in zip(tokens[1:6], tokens[:5], strict=True):
        if not token.goes_on:
            context = max(0, token.start - 1000)
            again = find_hex(text[context:], one_byte_each(text[context:]), token.start - context, len(text) - context)
            assert [t.text for t in again] == [t.text for t in tokens[tokens.index(before) + 1 :]]


def test_the_prefix_of_a_run_stays_with_it():
    for text in ("x" + SAID.encode().hex(), "0x" + SAID.encode().hex(" ")):
        first, second, *_ = find_hex(text, one_byte_each(text), 0, len(text))
        assert first.text == " "
        assert second.goes_on


def test_digests_are_no_text():
    text = "9fceb02d0ae598e95dc970b74767f19372d61af8"
    assert find_hex(text, one_byte_each(text), 0, len(text)) == []

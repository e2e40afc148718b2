import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.scan.decode import HEAD_BYTES, Decoder, looks_binary


def decoded(content: bytes, size: int = 1 << 16) -> str:
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    return "".join(Decoder(content[:HEAD_BYTES]).decode(chunks))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        ("Grüße 你好".encode(), "Grüße 你好"),
        ("Grüße".encode("latin-1"), "Grüße"),
        ("é".encode() + b" \xe9 " + "你".encode(), "é é 你"),
        (codecs.BOM_UTF8 + b"a", "a"),
        ("é😀".encode("utf-16"), "é😀"),
        (codecs.BOM_UTF16_BE + "é".encode("utf-16-be"), "é"),
        ("é😀".encode("utf-32"), "é😀"),
        (codecs.BOM_UTF16_LE + b"a\0b", "a\ufffd"),
        (b"\xed\xa0\x80", "í\xa0\x80"),
    ],
)
def test_encodings(content, text):
    assert not looks_binary(content)
    assert decoded(content) == text


@given(st.binary(max_size=300), st.integers(1, 7))
def test_the_text_does_not_depend_on_the_cuts_and_holds_no_surrogate(content, size):
    text = decoded(content, size)
    assert text == decoded(content)
    text.encode()


@given(st.text(max_size=100))
def test_utf_8_is_read_as_it_is(text):
    content = text.encode()
    assert decoded(content) == text.removeprefix("\ufeff") or content.startswith(codecs.BOM_UTF16_LE)


@pytest.mark.parametrize("content", [b"a\0b", b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n\x01\x02", bytes(range(1, 256))])
def test_binary(content):
    assert looks_binary(content)


def test_control_characters_in_valid_text_are_text():
    assert not looks_binary(b"\x1b[31m\x01\x02\x03 ok")


def test_a_nul_after_the_head_is_noticed():
    decoder = Decoder(b"text")
    assert "".join(decoder.decode([b"text", b"\0\0"])) == "text\0\0"
    assert decoder.binary

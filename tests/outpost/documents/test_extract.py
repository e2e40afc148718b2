import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.documents import extract as extraction
from outpost.documents.extract import NotReadable, extract
from outpost.documents.kinds import AUDIO, ENCRYPTED, FILE, IMAGE
from tests.outpost.documents.making import archive, docx, html, message, pdf, pptx, xlsx

CARD = "4111 1111 1111 1111"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
DOCUMENTS = {
    "PDF": pdf(f"card {CARD}"),
    "Word": docx(f"card {CARD}"),
    "Excel": xlsx(CARD),
    "PowerPoint": pptx(CARD),
    "web page": html(CARD),
    "CSV": f"name,card\nErika,{CARD}\n".encode(),
    "UTF-16": f"card {CARD}".encode("utf-16"),
    "Latin-1": f"Grüße {CARD}".encode("latin-1"),
    "message": message(CARD),
    "message with a file": message("", base64.b64encode(docx(CARD)).decode()),
    "archive": archive({"a.txt": "x", "b/c.docx": docx(CARD)}),
    "archive in an archive": archive({"a.zip": archive({"b.txt": CARD})}),
    "name in an archive": archive({f"{CARD}.txt": "x"}),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_text_of_every_kind_is_read(name):
    extracted = extract(DOCUMENTS[name])
    assert any(CARD in text for text in extracted.texts)
    assert extracted.unread == []


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        (PNG, [IMAGE]),
        (b"RIFF\x24\0\0\0WEBPVP8 ", [IMAGE]),
        (b"RIFF\x24\0\0\0WAVEfmt ", [AUDIO]),
        (b"ID3\x04\0\0", [AUDIO]),
        (b"BM" + bytes(60), [IMAGE]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(9), [FILE]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), [ENCRYPTED]),
        (b"\x7fELF" + bytes(60), [FILE]),
        (pptx("x", PNG), [IMAGE]),
        (archive({"x.bin": bytes(range(256))}), [FILE]),
    ],
)
def test_what_is_no_text_is_reported(data, kinds):
    assert extract(data).unread == kinds


@pytest.mark.parametrize("mark", ["BMW customers: ", "GIF89a, ", "ID3 ", "RIFF....WAVE", "OggS: ", "fLaC "])
def test_text_that_begins_like_a_picture_or_a_sound_is_read(mark):
    extracted = extract(f"{mark}{CARD}\n".encode())
    assert any(CARD in text for text in extracted.texts)
    assert extracted.unread == []


def test_what_may_be_either_text_or_a_picture_is_read_and_reported():
    extracted = extract(f"BMW, Grüße: {CARD}".encode("latin-1"))
    assert any(CARD in text for text in extracted.texts)
    assert extracted.unread == [IMAGE]


def nested(depth):
    made = b"text"
    for _ in range(depth):
        made = archive({"x": made})
    return made


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.4\nnothing more",
        b"PK\x03\x04nothing more",
        archive({"[Content_Types].xml": "<Types/>", "word/document.xml": "<not closed>"}),
        archive({str(number): "" for number in range(2001)}),
        nested(5),
    ],
)
def test_what_cannot_be_read_to_its_end_is_not_read_at_all(data):
    with pytest.raises(NotReadable):
        extract(data)


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(extraction, "MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(NotReadable):
        extract(archive({"a": b"x" * 60_000, "b": b"x" * 60_000}))
    monkeypatch.setattr(extraction, "MAX_TEXT_CHARS", 10)
    with pytest.raises(NotReadable):
        extract(b"x" * 11)


@settings(max_examples=150)
@given(st.data())
def test_any_bytes_are_read_or_not_readable(data):
    # A broken PDF may raise anything in its library; the child's end is then the answer (test_reader.py).
    others = [document for name, document in DOCUMENTS.items() if name != "PDF"]
    whole = data.draw(st.sampled_from([*others, b"PK\x03\x04", b"<html>", b"From: x\nTo: y\n\n"]))
    at = data.draw(st.integers(0, len(whole)))
    changed = whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(0, 8)) :]
    try:
        extracted = extract(changed)
    except NotReadable:
        return
    assert all(isinstance(text, str) for text in extracted.texts)

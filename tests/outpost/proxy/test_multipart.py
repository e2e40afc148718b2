import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import Rejected
from outpost.proxy.multipart import MAX_PARTS, Part, parse_form

TYPE = "multipart/form-data; boundary=abc"
PURPOSE = b'Content-Disposition: form-data; name="purpose"\r\n\r\nuser_data'
FILE = (
    b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n\r\nyou'
)


def form(*parts, boundary=b"abc", end=b"--\r\n"):
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + end


def test_fields_and_files_are_taken_apart():
    assert parse_form(TYPE, form(PURPOSE, FILE)) == [
        Part("purpose", None, "text/plain", b"user_data"),
        Part("file", "a.txt", "text/plain", b"hello\r\n\r\nyou"),
    ]
    assert parse_form('multipart/form-data; boundary="abc"', form(PURPOSE, end=b"--"))[0].name == "purpose"


def named(head):
    return form(head + b"\r\n\r\nx")


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        ("application/json", form(PURPOSE)),
        ("multipart/form-data", form(PURPOSE)),
        ("multipart/form-data; boundary=a b", form(PURPOSE)),
        ("multipart/form-data; boundary=abc; charset=x", form(PURPOSE)),
        ("multipart/mixed; boundary=abc", form(PURPOSE)),
        (TYPE, b""),
        (TYPE, form()),
        (TYPE, b"preamble\r\n" + form(PURPOSE)),
        (TYPE, form(PURPOSE) + b"epilogue"),
        (TYPE, form(PURPOSE, end=b"")),
        (TYPE, form(PURPOSE + b"\r\n--abc \r\n" + FILE)),
        (TYPE, form(PURPOSE + b"\r\n--abc--x", FILE)),
        (TYPE, form(*[PURPOSE] * (MAX_PARTS + 1))),
        (TYPE, form(b"no head")),
        (TYPE, named(b"Content-Type: text/plain")),
        (TYPE, named(b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64')),
        (TYPE, named(b'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain\r\nX: y')),
        (TYPE, named(b"Content-Disposition: form-data; name=\"a\"; filename*=UTF-8''b")),
        (TYPE, named(b'Content-Disposition: form-data; name="a"; filename="b"; filename="c"')),
        (TYPE, named(b'Content-Disposition: form-data; name="a\\"b"')),
        (TYPE, named(b"Content-Disposition: form-data; name=a")),
        (TYPE, named(b'Content-Disposition: form-data; name="\xff"')),
        (TYPE, named(b'Content-Disposition: form-data; name="a"' + b"x" * 3000)),
    ],
)
def test_whatever_two_readers_could_read_differently_is_refused(content_type, raw):
    with pytest.raises(Rejected):
        parse_form(content_type, raw)


@given(
    st.lists(
        st.sampled_from([b"--abc", b"--", b"\r\n", PURPOSE, FILE, b"x", b"\n"]) | st.binary(max_size=4), max_size=8
    ),
    st.booleans(),
)
def test_any_bytes_are_a_form_or_refused_and_a_form_is_all_its_bytes(pieces, wrapped):
    raw = form(b"".join(pieces)) if wrapped else b"".join(pieces)
    with contextlib.suppress(Rejected):
        parts = parse_form(TYPE, raw)
        heads = len(raw) - sum(len(part.data) for part in parts)
        assert heads <= len(parts) * (len(FILE) + 20) + 20
        assert all(b"\r\n--abc" not in part.data for part in parts)

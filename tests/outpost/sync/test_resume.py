import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.sync.resume import Begun, PartUnfit, Piece, piece_of, wish

TAG = '"abc"'
BEGUN = Begun(TAG, "identity", 10)
PART = {"etag": TAG, "content-range": "bytes 10-19/20"}


def test_whoever_has_nothing_asks_for_all_and_whoever_has_some_for_the_rest_of_just_that():
    assert wish(None) == {"Accept-Encoding": "zstd"}
    assert wish(BEGUN) == {"Accept-Encoding": "identity", "Range": "bytes=10-", "If-Range": TAG}


@pytest.mark.parametrize("begun", [None, BEGUN])
def test_the_whole_is_always_welcome(begun):
    headers = {"etag": TAG, "content-encoding": "zstd", "content-length": "7"}
    assert piece_of(200, headers, begun) == Piece(TAG, "zstd", 7, resumes=False, is_last=True)
    weak = {"etag": 'W/"abc"', "content-length": "x"}
    assert piece_of(200, weak, begun) == Piece(None, "identity", None, resumes=False, is_last=True)


@pytest.mark.parametrize(
    ("content_range", "length", "is_last"),
    [("bytes 10-19/20", 10, True), ("bytes 10-14/20", 5, False), ("bytes 10-14/*", 5, True)],
)
def test_a_part_that_fits(content_range, length, is_last):
    piece = piece_of(206, PART | {"content-range": content_range}, BEGUN)
    assert piece == Piece(TAG, "identity", length, resumes=True, is_last=is_last)


@pytest.mark.parametrize(
    ("status", "change", "begun"),
    [
        (206, {}, None),
        (416, {}, BEGUN),
        (206, {"etag": '"other"'}, BEGUN),
        (206, {"etag": f"W/{TAG}"}, BEGUN),
        (206, {"etag": ""}, BEGUN),
        (206, {"content-encoding": "zstd"}, BEGUN),
        (206, {"content-range": "bytes 9-19/20"}, BEGUN),
        (206, {"content-range": "bytes 11-19/20"}, BEGUN),
        (206, {"content-range": "bytes 10-9/20"}, BEGUN),
        (206, {"content-range": "bytes 10-20/20"}, BEGUN),
        (206, {"content-range": "bytes */20"}, BEGUN),
        (206, {"content-range": ""}, BEGUN),
        (200, {"content-encoding": "gzip"}, BEGUN),
        (200, {"content-encoding": "zstd, zstd"}, None),
    ],
)
def test_what_does_not_fit_is_refused(status, change, begun):
    with pytest.raises(PartUnfit):
        piece_of(status, PART | change, begun)


text = st.text(max_size=30)
headers = st.fixed_dictionaries(
    {},
    optional={
        "etag": text | st.just(TAG),
        "content-range": text | st.from_regex(r"bytes [0-9]{1,20}-[0-9]{1,20}/([0-9]{1,20}|\*)", fullmatch=True),
        "content-encoding": text | st.sampled_from(["zstd", "identity"]),
        "content-length": text | st.integers().map(str),
    },
)


@given(st.sampled_from([200, 206, 416]), headers, st.none() | st.builds(Begun, text, text, st.integers(0, 30)))
def test_any_answer_gives_a_piece_that_joins_or_the_typed_error(status, headers, begun):
    try:
        piece = piece_of(status, headers, begun)
    except PartUnfit:
        return
    assert piece.resumes == (status == 206)
    if piece.resumes:
        assert (piece.tag, piece.encoding) == (begun.tag, begun.encoding)
        assert piece.length_bytes >= 1


@given(text, text, st.integers(0, 2**40))
def test_what_can_be_resumed_can_stand_in_a_header(tag, encoding, size):
    begun = Begun(tag, encoding, size)
    if begun.can_resume:
        assert all(value.isascii() and value.isprintable() for value in wish(begun).values())
    assert Begun('"a\r\nHost: b"', "identity", 1).can_resume is Begun("", "identity", 1).can_resume is False

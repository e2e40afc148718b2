import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.proxy.sse import KEEP_ALIVE, MAX_EVENT_BYTES, EventReader, encode

# Mostly line ends and beginnings of fields, so that every framing occurs.
STREAMS = st.lists(
    st.sampled_from(
        [b"data: {}", b"data:x", b"data", b"\n", b"\n\n", b"\r\n", b"\r", b": c", b"event: e", b"\xff", b"d"]
    ),
    max_size=25,
).map(b"".join)


def read(pieces):
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)], reader.rest()


def cut(raw, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    return [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


@given(STREAMS | st.binary(max_size=100), st.data())
def test_any_bytes_in_any_pieces_give_the_same_events(raw, data):
    assert read(cut(raw, data)) == read([raw])


@given(STREAMS | st.binary(max_size=100))
def test_what_goes_on_is_data_that_was_read_or_a_comment(raw):
    for event in read([raw])[0]:
        if event.data is None:
            assert event.raw == KEEP_ALIVE
        else:
            # Whoever reads what goes on reads the very data that is inspected, and nothing else.
            (again,) = read([event.raw])[0]
            assert again.data == event.data


@given(st.binary(max_size=60).map(lambda data: data.replace(b"\r", b"")))
def test_encoded_data_is_read_back(data):
    (event,) = read([encode(data)])[0]

    assert event.data == data
    assert event.raw == encode(data)


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\rdata: c\n\n", [b"a", b"b", b"c"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b": comment\n\n", [None]),
        (b"event: x\nid: 4111111111111111\ndata: a\nretry: 5\n\n", [b"a"]),
        (b"id: 4111111111111111\n\n", [None]),
        (b"datas: 4111\n\n", [None]),
    ],
)
def test_only_data_counts(raw, data):
    events, rest = read([raw])

    assert [event.data for event in events] == data
    assert rest == b""
    assert not any(b"4111" in event.raw for event in events)


def test_one_event_of_one_line_goes_on_byte_for_byte():
    raw = b'data:{"a": 1}\r\n\r\n'

    assert read([raw])[0][0].raw == raw


def test_the_rest_after_the_last_blank_line_is_known():
    assert read([b"data: a\n\ndata: cut"]) == (read([b"data: a\n\n"])[0], b"data: cut")


def test_an_event_that_does_not_end_is_refused_before_it_fills_the_memory():
    reader = EventReader()
    for _ in range(MAX_EVENT_BYTES // 65_536):
        assert not list(reader.feed(b"x" * 65_536))
    with pytest.raises(Rejected) as refused:
        list(reader.feed(b"x"))

    assert refused.value.code is ErrorCode.PROVIDER_INVALID_RESPONSE
    assert len(reader.rest()) <= MAX_EVENT_BYTES + 65_536


def test_a_large_event_in_tiny_pieces_takes_linear_time():
    reader = EventReader()
    started = time.process_time()
    for _ in range(200_000):
        assert not list(reader.feed(b"12345"))

    # Searching it all anew at each piece would take minutes.
    assert time.process_time() - started < 10

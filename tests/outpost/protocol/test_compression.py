import tracemalloc

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.compression import CompressionInvalid, compress, expand


@given(st.binary(max_size=5_000) | st.integers(0, 300_000).map(bytes))
def test_what_is_compressed_comes_back_and_one_byte_less_does_not_suffice(data):
    frame = compress(data)
    assert expand(frame, len(data)) == expand(frame, len(data) + 10) == data
    if data:
        with pytest.raises(CompressionInvalid, match="more than"):
            expand(frame, len(data) - 1)


FRAME = compress(b"some text " * 20)


@st.composite
def damaged(draw):
    at, put = draw(st.integers(0, len(FRAME))), draw(st.binary(max_size=5))
    return FRAME[:at] + put + FRAME[at + len(put) :]


@given(st.binary(max_size=200) | damaged())
def test_any_bytes_give_a_value_or_the_typed_error(data):
    try:
        assert len(expand(data, 1000)) <= 1000
    except CompressionInvalid:
        return


@pytest.mark.parametrize(
    "data",
    [b"", compress(b"x" * 100)[:-1], compress(b"x") + b"y", compress(b"x") + compress(b"y"), b"\x28\xb5\x2f\xfd"],
    ids=["empty", "cut", "followed", "two frames", "magic only"],
)
def test_anything_but_one_whole_frame_is_refused(data):
    with pytest.raises(CompressionInvalid):
        expand(data, 1000)


def test_a_single_bit_is_noticed_wherever_it_is():
    for at in range(len(FRAME)):
        for bit in range(8):
            bad = FRAME[:at] + bytes([FRAME[at] ^ 1 << bit]) + FRAME[at + 1 :]
            try:
                assert expand(bad, 1000) == b"some text " * 20, (at, bit)
            except CompressionInvalid:
                continue


def test_a_bomb_costs_its_limit_and_no_more():
    bomb = compress(bytes(256 * 1024 * 1024))
    assert len(bomb) < 30_000
    tracemalloc.start()
    with pytest.raises(CompressionInvalid, match="more than"):
        expand(bomb, 1024 * 1024)
    assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    tracemalloc.stop()


def test_a_window_of_more_than_eight_megabytes_is_refused():
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    frame = compressor.compress(bytes(range(256)) * 10, zstd.ZstdCompressor.FLUSH_BLOCK) + compressor.flush()
    with pytest.raises(CompressionInvalid):
        expand(frame, 1_000_000)

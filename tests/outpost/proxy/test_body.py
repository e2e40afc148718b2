import contextlib
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.proxy.body import _WINDOW_BITS, BodyLimits, _inflate

GZIP, DEFLATE = _WINDOW_BITS["gzip"], _WINDOW_BITS["deflate"]
LIMITS = BodyLimits(max_bytes=1_000, timeout_s=1)


@given(st.binary(max_size=300), st.sampled_from([GZIP, DEFLATE]))
def test_any_bytes_give_a_body_or_a_refusal(raw, window_bits):
    with contextlib.suppress(Rejected):
        assert len(_inflate(raw, window_bits, LIMITS)) <= LIMITS.max_bytes


@given(st.binary(max_size=1_000))
def test_what_was_compressed_comes_back(body):
    assert _inflate(gzip.compress(body), GZIP, LIMITS) == body
    assert _inflate(zlib.compress(body), DEFLATE, LIMITS) == body


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_body_cut_off_or_continued_is_refused(body, data):
    packed = gzip.compress(body)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    for raw in (cut, packed + b"\0", packed + packed):
        with pytest.raises(Rejected) as refused:
            _inflate(raw, GZIP, LIMITS)
        assert refused.value.code is ErrorCode.INVALID_REQUEST


def test_exactly_the_limit_is_allowed_and_one_more_is_not():
    assert len(_inflate(gzip.compress(b"x" * 1_000), GZIP, LIMITS)) == 1_000
    with pytest.raises(Rejected) as refused:
        _inflate(gzip.compress(b"x" * 1_001), GZIP, LIMITS)
    assert refused.value.code is ErrorCode.REQUEST_TOO_LARGE


def test_a_bomb_is_not_inflated():
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    with pytest.raises(Rejected, match="larger than 1000 bytes"):
        _inflate(bomb, GZIP, LIMITS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 1_000_000

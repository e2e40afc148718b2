import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.rate_limit import RateLimiter, source_of


def test_a_burst_passes_then_the_rate_counts_for_each_source_alone():
    limiter = RateLimiter(rate_per_s=0.5, burst=3)
    assert [limiter.take("a", 0.0) for _ in range(4)] == [None, None, None, 2]
    assert limiter.take("b", 0.0) is None
    assert limiter.take("a", 1.9) == 1
    assert limiter.take("a", 2.0) is None
    assert limiter.take("a", 1.0) is not None  # a clock that goes back gives nothing away
    assert [limiter.take("a", 1000.0) for _ in range(4)] == [None, None, None, 2]


def test_memory_is_bounded_and_the_one_who_asks_is_remembered():
    limiter = RateLimiter(rate_per_s=1, burst=1, max_sources=10)
    for number in range(1000):
        limiter.take(f"s{number}", 0.0)
        limiter.take("loud", 0.0)
        assert len(limiter) <= 10
    assert limiter.take("loud", 0.0) == 1


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "(local)"),
        ("", "(local)"),
        ("nonsense", "(local)"),
    ],
)
def test_sources(address, source):
    assert source_of(address) == source


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=50))
def test_never_more_than_burst_and_rate_allow(times):
    limiter = RateLimiter(rate_per_s=1, burst=5)
    moments = sorted(times)
    passed = sum(limiter.take("a", moment) is None for moment in moments)
    assert passed <= 5 + (moments[-1] - moments[0] if moments else 0) + 1e-6

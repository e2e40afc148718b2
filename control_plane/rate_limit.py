"""Token buckets by source address: how often a stranger may ask, in bounded memory.

Pure but for its own memory: the caller gives the time (seconds of a clock that never goes back). An IPv6 source is its
/64, what one subscriber commonly gets (RFC 6177 §2), or one host could come from 2^64 addresses.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

_IPV6_PREFIX = 64


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at_s: float


class RateLimiter:
    """``burst`` requests at once, then ``rate_per_s`` for each source; remembers ``max_sources``, the latest."""

    def __init__(self, rate_per_s: float, burst: int, max_sources: int = 10_000) -> None:  # about 2 MB
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._max_sources = max_sources
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, source: str, now_s: float) -> int | None:
        """None if a request of ``source`` may pass, else after how many whole seconds to come back."""
        bucket = self._buckets.pop(source, None) or _Bucket(self._burst, now_s)
        self._buckets[source] = bucket  # at the end: whoever asks stays remembered
        while len(self._buckets) > self._max_sources:
            self._buckets.popitem(last=False)
        elapsed_s = max(0.0, now_s - bucket.filled_at_s)
        bucket.tokens = min(float(self._burst), bucket.tokens + elapsed_s * self._rate_per_s)
        bucket.filled_at_s = max(now_s, bucket.filled_at_s)
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return None
        return max(1, ceil((1 - bucket.tokens) / self._rate_per_s))


def source_of(address: str | None) -> str:
    """The source that an address belongs to; what is no address (a Unix socket) is one source."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "(local)"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, _IPV6_PREFIX), strict=False))
    return str(parsed)

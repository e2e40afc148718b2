from outpost.models.cache import MAX_FINDINGS, SegmentCache
from outpost.models.results import ModelFinding, TextResult
from outpost.protocol.findings import Finding

RESULT = TextResult(tokens=1)
WEAK = Finding("pii.phone", 0, 3, 0.5, "phone")


def test_what_was_said_is_known_again():
    cache = SegmentCache(10)
    key = cache.key("pack", "text")
    assert cache.get(key) is None
    cache.put(key, RESULT)
    assert cache.get(cache.key("pack", "text")) is RESULT
    assert len(cache) == 1


def test_another_pack_text_or_finding_is_another_key():
    cache = SegmentCache(10)
    keys = {
        cache.key("pack", "text"),
        cache.key("other", "text"),
        cache.key("pack", "texts"),
        cache.key("pack", "text", [WEAK]),
        cache.key("pack", "text", [WEAK, WEAK]),
        cache.key("pack", "\ud800"),
        SegmentCache(10).key("pack", "text"),
    }
    assert len(keys) == 7


def test_the_least_recently_used_goes_first():
    cache = SegmentCache(2)
    for name in (b"a", b"b"):
        cache.put(name, RESULT)
    cache.get(b"a")
    cache.put(b"c", RESULT)
    assert cache.get(b"b") is None
    assert cache.get(b"a") is RESULT
    assert len(cache) == 2


def test_without_entries_nothing_is_kept():
    cache = SegmentCache(0)
    cache.put(b"a", RESULT)
    assert len(cache) == 0


def test_what_is_too_large_is_not_kept():
    cache = SegmentCache(2)
    found = ModelFinding(WEAK, "x", 1, 0.5, (0, 1))
    cache.put(b"a", TextResult((found,) * (MAX_FINDINGS + 1)))
    assert len(cache) == 0


def test_no_text_is_kept():
    cache = SegmentCache(2)
    cache.put(cache.key("pack", "a secret text"), RESULT)
    assert "secret" not in repr(vars(cache))

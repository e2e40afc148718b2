import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.overlap import resolve
from outpost.protocol.findings import Finding


def finding(start, end, score, kind="a.a"):
    return Finding(kind, start, end, score, "test")


@pytest.mark.parametrize(
    ("findings", "kept"),
    [
        ([finding(0, 5, 0.9), finding(3, 8, 0.8)], [(0, 5, "a.a")]),
        ([finding(0, 5, 0.9), finding(5, 8, 0.8)], [(0, 5, "a.a"), (5, 8, "a.a")]),
        ([finding(0, 5, 0.9), finding(3, 8, 0.8, "b.b")], [(0, 5, "a.a"), (3, 8, "b.b")]),
        ([finding(0, 9, 0.9), finding(3, 8, 0.95, "b.b")], [(3, 8, "b.b")]),
        ([finding(0, 9, 0.9), finding(3, 8, 0.9, "b.b")], [(0, 9, "a.a")]),
        ([finding(0, 9, 0.9), finding(0, 9, 0.5, "b.b")], [(0, 9, "a.a")]),
        ([finding(0, 9, 0.9), finding(0, 4, 0.95, "b.b"), finding(4, 9, 0.6, "b.b")], [(0, 4, "b.b"), (4, 9, "b.b")]),
    ],
)
def test_overlaps_are_settled_as_documented(findings, kept):
    assert [(f.start, f.end, f.kind) for f in resolve(findings)] == kept


findings = st.builds(
    lambda start, length, score, kind: finding(start, start + length, score, kind),
    st.integers(0, 30),
    st.integers(1, 12),
    st.sampled_from([0.5, 0.7, 0.9]),
    st.sampled_from(["a.a", "b.b", "c.c"]),
)


def conflict(one, other):
    if one.kind == other.kind:
        return one.start < other.end and other.start < one.end
    within = one.start <= other.start and other.end <= one.end
    return within or (other.start <= one.start and one.end <= other.end)


@given(st.lists(findings, max_size=12))
def test_none_that_stay_conflict_and_each_that_goes_conflicts_with_one_no_worse(candidates):
    kept = resolve(list(candidates))
    assert not [1 for i, one in enumerate(kept) for other in kept[i + 1 :] if conflict(one, other)]
    for gone in set(candidates) - set(kept):
        assert any(conflict(gone, stays) and stays.score >= gone.score for stays in kept)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.models.results import ModelFinding, Settled, of_growing, score_of
from outpost.protocol.findings import Finding, Tier


@pytest.mark.parametrize(
    ("probability", "threshold", "score"),
    [(0.7, 0.5, 0.7), (0.9, 0.9, 0.9), (0.2, 0.2, 0.5), (0.6, 0.2, 0.75), (1.0, 0.2, 1.0), (0.3, 0.0, 0.65)],
)
def test_a_score_is_the_probability_unless_the_threshold_is_low(probability, threshold, score):
    assert score_of(probability, threshold) == pytest.approx(score)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_what_counts_scores_half_or_more_and_never_falls(threshold, one, other):
    low, high = sorted(threshold + (1 - threshold) * part for part in (one, other))
    assert 0.5 <= score_of(low, threshold) <= score_of(high, threshold) + 1e-9 <= 1 + 1e-6


def test_of_windows_that_were_judged_one_after_another_the_likeliest_counts():
    def item(kind, start, probability, tier=Tier.CONTEXT_MODEL):
        finding = Finding(kind, start, start + 9, probability, "p/h", tier)
        return ModelFinding(finding, kind[-1], probability, 0.5, (start, start + 9))

    first, likelier, other = item("attack.a", 0, 0.6), item("attack.a", 20, 0.9), item("attack.b", 10, 0.7)
    name = item("pii.c", 12, 0.8, Tier.ENTITY_MODEL)
    again = item("attack.a", 40, 0.9)
    said = [Settled(9, (first,)), Settled(30, (other, likelier, name), (3, 1)), Settled(60, (again,), (0,), 1, 80, 4)]
    whole = of_growing(said)
    assert whole.findings == (other, name, likelier)
    assert (whole.doubted, whole.tokens, whole.windows) == ((0, 1, 3), 80, 4)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.models.results import score_of


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

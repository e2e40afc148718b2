import math
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from training.fit import (
    CEILING,
    FLOOR,
    Tally,
    best_limit,
    best_temperature,
    binary_loss,
    calibration_error,
    class_loss,
    reliability,
    reliability_svg,
    run_highest,
    tail_quantile,
    threshold,
    window_rate,
)


def test_a_temperature_undoes_scaling():
    rng = np.random.default_rng(1)
    true = rng.normal(0, 2, 20_000)
    truths = (rng.random(20_000) < 1 / (1 + np.exp(-true))).astype(float)
    assert best_temperature(binary_loss(true * 2, truths)) == pytest.approx(2, rel=0.1)
    logits = np.stack([np.zeros(20_000), true], axis=1)
    assert best_temperature(class_loss(logits * 2, truths.astype(np.int64))) == pytest.approx(2, rel=0.1)


def test_a_threshold_lets_no_more_through_than_the_rate():
    scores = [n / 1_000 for n in range(1_000)]
    limit = threshold(scores, 0.01)
    assert sum(score >= limit for score in scores) <= 10
    assert sum(score >= limit - 0.002 for score in scores) > 10


def test_few_texts_put_the_threshold_above_all_of_them():
    assert threshold([0.7, 0.6], 0.01) > 0.7


def test_a_threshold_stays_between_floor_and_ceiling():
    assert threshold([0.001] * 100, 0.01) == FLOOR
    assert threshold([1.0] * 100, 0.01) == CEILING
    assert threshold([], 0.01) == FLOOR


def test_reliability_is_per_bin_and_its_error_weighted():
    scores, truths = np.array([0.05, 0.05, 0.95, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    rows = reliability(scores, truths)
    assert [count for _, _, count in rows] == [2, 2]
    assert calibration_error(rows) == pytest.approx((0.05 * 2 + 0.025 * 2) / 4)
    assert math.isclose(calibration_error([]), 0.0)


def test_the_plot_is_xml_with_a_line_per_head():
    root = ET.fromstring(reliability_svg({"a": [(0.1, 0.2, 3)], "b": [(0.9, 0.8, 3)]}))
    assert len([e for e in root[0] if e.tag.endswith("polyline")]) == 2


def test_spans_are_counted_by_overlap_and_where_the_model_is_free_not_at_all():
    tally = Tally()
    marked = [(0, 3, "PERSON"), (10, 14, "PERSON"), (20, 24, "?"), (30, 33, "ORG")]
    tally.add(marked, [(0, 7, "PERSON"), (21, 22, "PERSON"), (30, 33, "PERSON"), (10, 14, "ORG")], "PERSON", 9)
    assert (tally.marked, tally.found, tally.reported, tally.right) == (2, 1, 2, 1)
    assert tally.f(2) == pytest.approx(0.5)
    assert (tally.astray, tally.tokens) == (0, 9)
    tally.add(marked, [(4, 7, "PERSON"), (21, 22, "PERSON")], "PERSON", 9)
    assert (tally.astray, tally.tokens) == (1, 18)
    assert Tally().f(2) == 0.0


def test_the_threshold_with_the_best_f2_is_taken_unless_too_much_is_wrong():
    by_limit = {
        0.2: Tally(10, 10, 30, 10, astray=20, tokens=1_000),
        0.3: Tally(10, 9, 12, 9, astray=3, tokens=1_000),
        0.5: Tally(10, 5, 5, 5, astray=0, tokens=1_000),
        0.7: Tally(10, 5, 5, 5, astray=0, tokens=1_000),
    }
    assert best_limit(by_limit, by_limit, 0.003) == 0.3
    assert best_limit(by_limit, by_limit, 1.0) == 0.3
    assert best_limit(by_limit, by_limit, 0.001) == 0.5
    assert best_limit(by_limit, by_limit, -1) == 0.7


def test_other_texts_may_say_which_threshold_is_best_but_not_how_many_spans_go_astray():
    by_limit = {
        limit: Tally(10, 9, 9, 9, astray=astray, tokens=1_000) for limit, astray in ((0.3, 4), (0.5, 1), (0.7, 0))
    }
    judged = {0.3: Tally(10, 9, 9, 9), 0.5: Tally(10, 5, 5, 5), 0.7: Tally(10, 8, 8, 8)}
    assert best_limit(by_limit, judged, 0.01) == 0.3
    assert best_limit(by_limit, judged, 0.002) == 0.7


def test_a_window_must_be_rarer_than_a_text_of_many():
    assert window_rate(0.02, 1) == pytest.approx(0.02)
    assert 1 - (1 - window_rate(0.02, 80)) ** 80 == pytest.approx(0.02)


@pytest.mark.parametrize("rate", [0.01, 1e-3, 1e-4])
def test_the_tail_of_a_known_distribution_is_found_from_fewer_values_than_one_in_its_rate(rate):
    seen = np.random.default_rng(5).exponential(1, 8_000)
    assert tail_quantile(list(seen), rate) == pytest.approx(-math.log(rate), rel=0.25)


def test_a_quantile_within_the_body_is_the_one_observed():
    assert tail_quantile([float(n) for n in range(1_000)], 0.1) == 899.0


def test_equal_values_have_no_tail():
    assert tail_quantile([1.0] * 5_000, 1e-4) == 1.0


def test_runs_have_their_highest_and_a_short_last_one_is_left_out():
    assert run_highest([1, 5, 2, 3, 9], 2) == [5, 3]
    assert run_highest([1], 2) == []

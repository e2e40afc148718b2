import math

from bench.eval_figures import auc, recall_at, share


def test_a_share_has_its_interval():
    figure = share("set", "attacks", "recall", 9, 10)
    assert figure.value == 0.9
    assert 0.55 < figure.low < 0.9 < figure.high < 1.0
    assert math.isnan(share("set", "attacks", "recall", 0, 0).value)


def test_the_area_is_the_probability_of_the_right_order():
    assert auc([3.0, 4.0], [1.0, 2.0]) == 1.0
    assert auc([1.0], [1.0]) == 0.5
    assert auc([0.0], [1.0, -1.0]) == 0.5


def test_recall_at_a_rate_counts_what_is_above_all_but_that_part():
    negatives = [n / 100 for n in range(100)]
    assert recall_at([0.985, 0.5, 2.0], negatives, 0.01, "set", "m").value == 2 / 3
    assert recall_at([0.985, 0.5, 2.0], negatives, 0.0, "set", "m").value == 1 / 3

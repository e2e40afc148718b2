import numpy as np
import pytest

from training.bounds import HIGHEST, LENGTHS, checks, long_thresholds


def windows(tokens):
    return -(-tokens // 100)


def logits(seed, count=20_000):
    return np.random.default_rng(seed).normal(-6, 2, count)


def test_thresholds_ascend_with_length_and_name_every_length():
    made = long_thresholds(logits(1), 0.5, windows)
    assert [limit for limit, _ in made] == [limit for limit, _ in LENGTHS]
    scores = [score for _, score in made]
    assert scores == sorted(scores)
    assert scores[0] == 0.5
    assert scores[-1] <= HIGHEST


def test_new_texts_are_flagged_as_rarely_as_stated():
    made = dict(long_thresholds(logits(2), 0.01, windows))
    for limit, rate in LENGTHS[1:-1]:
        bound = np.log(made[limit] / (1 - made[limit]))
        new = logits(3, 2_000 * windows(limit)).reshape(2_000, -1).max(1)
        assert (new >= bound).mean() <= 2 * rate


def test_a_model_that_is_always_sure_gets_the_highest_threshold():
    assert long_thresholds(np.full(5_000, 30.0), 0.99, windows)[-1] == (None, HIGHEST)


def test_halves_of_the_documents_check_each_other():
    found = [logits(seed, 200) for seed in range(40)]
    lines = list(checks(found, 0.01, windows))
    assert len(lines) == len(LENGTHS) - 1
    assert lines[0].startswith("250 tokens, checked across halves: ")
    flagged, total = (int(word) for word in lines[0].split(": ")[1].split(" ")[:3:2])
    assert total == 2 * (4_000 // 3)
    assert flagged <= total * 0.02


@pytest.mark.parametrize("count", [3, 30])
def test_few_windows_put_the_threshold_above_all_of_them(count):
    seen = logits(4, count)
    made = long_thresholds(seen, 0.01, windows)
    assert made[-1][1] > 1 / (1 + np.exp(-seen.max()))

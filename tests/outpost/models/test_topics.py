import numpy as np
import pytest

from outpost.errors import ModelUnavailable
from outpost.models.topics import TopicIndex
from outpost.protocol.detectors import TopicRule
from outpost.protocol.topics import TopicSet

# In this plane "leave" points right, "invoices" up.
VECTORS = {"leave": (1, 0), "holiday": (0.9, 0.1), "days off": (0.95, -0.1), "bill": (0, 1), "debt": (0.1, 0.9), "": ()}


def rule(name, *examples, **fields):
    return TopicRule(id=name, kind=f"topic.{name}", examples=list(examples), **fields)


def index(*rules, default=0.6):
    return TopicIndex(TopicSet(rules, "d"), VECTORS.__getitem__, default, "pack/topics")


def unit(x, y):
    return np.array((x, y), np.float32) / np.hypot(x, y)


LEAVE, BILLS = rule("leave", "leave", "holiday", "days off"), rule("bills", "bill", "debt")


def test_a_text_is_of_the_topics_that_one_of_its_windows_is_near():
    windows = np.stack([unit(1, 0.05), unit(0.02, 1)])
    first, second = index(LEAVE, BILLS).judge(windows, [(0, 40), (30, 90)])
    assert [(one.finding.kind, one.window) for one in (first, second)] == [
        ("topic.leave", (0, 40)),
        ("topic.bills", (30, 90)),
    ]
    assert (first.threshold, first.label, first.finding.detector) == (0.6, "leave", "pack/topics")
    assert first.probability == pytest.approx(1, abs=0.01)
    assert first.alternatives[0][0] == "bills"
    assert index(LEAVE, BILLS).judge(np.stack([unit(-1, -1)]), [(0, 5)]) == []


def test_a_topic_may_ask_for_more_or_less_than_the_pack():
    window = np.stack([unit(1, 1)])
    assert [one.label for one in index(LEAVE, BILLS).judge(window, [(0, 5)])] == ["leave", "bills"]
    strict = rule("leave", "leave", similarity=0.9)
    assert [one.label for one in index(strict, BILLS).judge(window, [(0, 5)])] == ["bills"]
    (low,) = index(rule("leave", "leave", similarity=0.1)).judge(np.stack([unit(0.2, 1)]), [(0, 5)])
    assert 0.5 <= low.finding.score < 0.6 < low.finding.score + 0.1
    assert low.probability == pytest.approx(0.196, abs=0.01)


def test_how_well_examples_stand_for_each_other():
    leave, _ = index(LEAVE, BILLS).recognised()
    assert (leave.by_the_others, leave.count, leave.confused) == (3, 3, 0)
    assert leave.nearest[0] == "bills"
    mixed, other = index(rule("mixed", "leave", "bill", "debt"), rule("other", "holiday", "days off")).recognised()
    assert (mixed.by_the_others, mixed.confused) == (2, 1)
    assert (other.nearest[0], other.confused) == ("mixed", 0)
    (alone,) = index(rule("one", "leave")).recognised()
    assert (alone.by_the_others, alone.nearest) == (0, None)


def test_what_has_no_vector_is_no_example():
    with pytest.raises(ModelUnavailable, match="nothing that the model reads"):
        TopicIndex(TopicSet((LEAVE,), "d"), lambda _: (), 0.6, "p")
    with pytest.raises(ModelUnavailable, match="topic leave have no middle"):
        TopicIndex(TopicSet((LEAVE,), "d"), lambda _: (0.0, 0.0), 0.6, "p")

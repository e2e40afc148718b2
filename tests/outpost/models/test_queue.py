import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.models.queue import BUCKET_TOKENS, PACE_S, Limits, QueueFull, WindowQueue


def queue(**limits):
    return WindowQueue(Limits(**limits))


def add(waiting, job, sizes=(10,), **fields):
    waiting.add(job, sizes, **{"model": "m", "priority": 0, "at_s": 0.0, "deadline_s": 9.0} | fields)


def drained(waiting, at_s=100.0):
    batches = []
    while isinstance(batch := waiting.take(at_s), list):
        batches.append(batch)
    return batches


def test_windows_come_one_by_one_in_order():
    waiting = queue()
    add(waiting, "a", (10, 10))
    add(waiting, "b", at_s=1.0)
    assert drained(waiting) == [[("a", 0)], [("a", 1)], [("b", 0)]]
    assert waiting.take(0) is None
    assert waiting.tokens == 0


def test_an_urgent_text_comes_first():
    waiting = queue()
    add(waiting, "document", (10,) * 3, priority=1)
    add(waiting, "chat", at_s=5.0)
    assert [batch[0][0] for batch in drained(waiting)] == ["chat", "document", "document", "document"]


def test_a_long_document_does_not_keep_a_short_message_waiting_nor_for_ever():
    waiting = queue()
    add(waiting, "long", (10,) * 100)
    add(waiting, "short", at_s=20 * PACE_S - PACE_S / 2)
    order = [batch[0][0] for batch in drained(waiting)]
    assert order.index("short") == 20


def test_only_the_same_model_and_about_the_same_length_run_together():
    waiting = queue(batch_windows=8)
    add(waiting, "a", (10, BUCKET_TOKENS))
    add(waiting, "b", (BUCKET_TOKENS + 1,))
    add(waiting, "c", model="other")
    assert drained(waiting) == [[("a", 0), ("a", 1)], [("b", 0)], [("c", 0)]]


def test_a_window_waits_a_moment_for_company_and_no_longer():
    waiting = queue(batch_windows=3, batch_wait_s=0.5)
    add(waiting, "a")
    assert waiting.take(0.2) == pytest.approx(0.3)
    add(waiting, "b", at_s=0.2)
    assert waiting.take(0.2) == pytest.approx(0.3)
    add(waiting, "c", at_s=0.3)
    assert waiting.take(0.3) == [("a", 0), ("b", 0), ("c", 0)]
    add(waiting, "d", at_s=0.3)
    assert waiting.take(0.9) == [("d", 0)]


def test_what_is_too_much_is_not_taken_and_a_text_longer_than_the_queue_is_when_it_is_empty():
    waiting = queue(waiting_tokens=25)
    add(waiting, "long", (10,) * 5)
    with pytest.raises(QueueFull):
        add(waiting, "more")
    drained(waiting)
    add(waiting, "more")
    add(waiting, "again")
    with pytest.raises(QueueFull):
        add(waiting, "and again")


def test_what_is_dropped_does_not_run():
    waiting = queue(batch_windows=4)
    add(waiting, "a", (10, 10))
    add(waiting, "b")
    waiting.drop("a")
    waiting.drop("a")
    waiting.drop("unknown")
    assert waiting.tokens == 10
    assert drained(waiting) == [[("b", 0)]]


def test_what_is_late_is_given_up():
    waiting = queue()
    add(waiting, "a", deadline_s=1.0)
    add(waiting, "b", deadline_s=2.0)
    assert waiting.expired(1.5) == ["a"]
    assert waiting.expired(1.5) == []
    assert drained(waiting) == [[("b", 0)]]
    assert waiting.expired(3) == []


@given(
    st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(1, 100), min_size=1, max_size=5)), max_size=10),
    st.integers(1, 4),
    st.data(),
)
def test_every_window_runs_once_or_was_dropped(jobs, batch_windows, data):
    waiting = queue(batch_windows=batch_windows)
    for job, (priority, sizes) in enumerate(jobs):
        add(waiting, job, sizes, priority=priority, at_s=job / 100)
    dropped = data.draw(st.sets(st.integers(0, max(len(jobs) - 1, 0))))
    for job in dropped:
        waiting.drop(job)
    ran = [item for batch in drained(waiting) for item in batch]
    assert sorted(ran) == [
        (job, index) for job, (_, sizes) in enumerate(jobs) if job not in dropped for index in range(len(sizes))
    ]
    assert waiting.tokens == 0

import queue
import time

import pytest

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.options import SessionOptions
from outpost.models.queue import Limits
from outpost.models.results import TextResult
from outpost.models.runners import Job, Loaded, Runners
from tests.fakes.model_pack import BOOM, SLOW, write_card, write_pack

LONG_S = 60.0


@pytest.fixture(scope="module")
def loaded(tiny):
    return Loaded(tiny, SessionOptions())


class Asked:
    """Jobs for runners, and what became of each."""

    def __init__(self, loaded, **limits):
        self.runners = Runners(2, Limits(**limits))
        self._loaded = loaded
        self._outcomes = {}

    def ask(self, text, *, timeout_s=LONG_S, priority=0):
        outcomes = queue.Queue()
        job = Job(self._loaded, self._loaded.inspector.prepare(text), time.monotonic() + timeout_s, outcomes.put)
        self._outcomes[job] = outcomes
        self.runners.add(job, priority)
        return job

    def outcome(self, job):
        return self._outcomes[job].get(timeout=LONG_S)

    def is_silent(self, job):
        return self._outcomes[job].empty()


def kinds(outcome):
    assert isinstance(outcome, TextResult)
    return [item.finding.kind for item in outcome.findings]


@pytest.mark.parametrize("limits", [{}, {"batch_windows": 4, "batch_wait_s": 0.01}])
def test_texts_are_answered_whatever_runs_with_them(loaded, limits):
    asked = Asked(loaded, **limits)
    jobs = [asked.ask(text) for text in ("Ana Silva", "the note " * 40 + "dan", "", "the", "Ana " * 30)]
    outcomes = [asked.outcome(job) for job in jobs]
    assert [sorted(set(kinds(outcome))) for outcome in outcomes] == [
        ["pii.person"], ["attack.jailbreak"], [], [], ["pii.person"],
    ]  # fmt: skip
    assert outcomes[0] == loaded.inspect("Ana Silva")


@pytest.mark.parametrize("limits", [{}, {"batch_windows": 8, "batch_wait_s": 0.05}])
def test_a_text_that_makes_the_model_fail_fails_alone(loaded, limits):
    asked = Asked(loaded, **limits)
    good, bad, other = asked.ask("Ana"), asked.ask(BOOM), asked.ask("the Ana")
    assert isinstance(asked.outcome(bad), ModelUnavailable)
    assert kinds(asked.outcome(good)) == kinds(asked.outcome(other)) == ["pii.person"]


def test_a_run_that_takes_too_long_is_stopped_and_the_next_goes_on(loaded):
    asked = Asked(loaded)
    stuck = [asked.ask(SLOW, timeout_s=0.2) for _ in range(2)]
    waiting = asked.ask("Ana")
    late = asked.ask("the", timeout_s=0.1)
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline and any(map(asked.is_silent, [*stuck, waiting, late])):
        asked.runners.tick()
        time.sleep(0.02)
    assert "too long" in str(asked.outcome(late))
    assert all(isinstance(asked.outcome(job), ModelUnavailable) for job in stuck)
    assert kinds(asked.outcome(waiting)) == ["pii.person"]


def test_more_than_may_wait_is_refused(loaded):
    asked = Asked(loaded, waiting_tokens=20)
    for _ in range(2):
        asked.ask(SLOW, timeout_s=0.5)
    time.sleep(0.2)  # both runners have one
    asked.ask("the " * 10)
    assert "too much" in str(asked.outcome(asked.ask("the " * 20)))
    for _ in range(10):
        asked.runners.tick()
        time.sleep(0.05)


def test_what_is_cancelled_is_not_answered(loaded):
    asked = Asked(loaded, batch_windows=8, batch_wait_s=0.2)
    job = asked.ask("Ana")
    asked.runners.cancel(job)
    assert kinds(asked.outcome(asked.ask("Ana"))) == ["pii.person"]
    assert asked.is_silent(job)


def test_a_pack_is_loaded_whole_or_not(tmp_path):
    folder = write_pack(tmp_path)
    (folder / "data-card.md").write_text("one", "utf-8")
    write_card(folder)
    assert Loaded(folder, SessionOptions()).digest
    (folder / "data-card.md").write_text("another", "utf-8")
    with pytest.raises(PackInvalid, match=r"data-card\.md"):
        Loaded(folder, SessionOptions())

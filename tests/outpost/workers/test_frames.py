import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.audit.event import MAX_EVENT_BYTES
from outpost.workers.frames import (
    Answer,
    AnswerReader,
    FramesInvalid,
    Submission,
    SubmissionReader,
    encode_answers,
    encode_submission,
)

NUMBERS = st.integers(0, 2**64 - 1)
SUBMISSIONS = st.builds(Submission, NUMBERS, st.booleans(), st.binary(min_size=1, max_size=300))
ANSWERS = st.builds(Answer, NUMBERS, st.none() | st.integers(0, 2**63 - 1))


def fed(reader, data, cuts):
    found, start = [], 0
    for end in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        found += reader.feed(data[start:end])
        start = end
    return found


@given(st.lists(SUBMISSIONS, max_size=8), st.lists(st.integers(0, 4000), max_size=6))
def test_submissions_arrive_whole_however_they_are_cut(sent, cuts):
    assert fed(SubmissionReader(), b"".join(map(encode_submission, sent)), cuts) == sent


@given(st.lists(ANSWERS, max_size=20), st.lists(st.integers(0, 400), max_size=6))
def test_answers_arrive_whole_however_they_are_cut(sent, cuts):
    assert fed(AnswerReader(), encode_answers(sent), cuts) == sent


@given(st.binary(max_size=200), st.sampled_from([SubmissionReader, AnswerReader]))
def test_any_bytes_give_messages_or_the_typed_error(data, reader):
    found = []
    with contextlib.suppress(FramesInvalid):
        found = reader().feed(data)
    assert all(isinstance(message, Submission | Answer) for message in found)


@pytest.mark.parametrize("length", [0, MAX_EVENT_BYTES + 1, 2**32 - 1])
def test_an_event_of_impossible_size_is_refused_before_it_has_come(length):
    with pytest.raises(FramesInvalid):
        SubmissionReader().feed(length.to_bytes(4, "big") + bytes(9))


def test_a_place_before_the_first_is_no_answer():
    with pytest.raises(FramesInvalid):
        AnswerReader().feed(bytes(8) + (-2).to_bytes(8, "big", signed=True))

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from outpost.protocol.detectors import MAX_EXAMPLES_TOGETHER, DetectorsDocument, TopicRule
from outpost.protocol.topics import TopicSet, TopicsInvalid

RULE = TopicRule(id="leave", kind="topic.leave", examples=["How many days off have I got?"])


def document(*rules):
    return DetectorsDocument(schema_version="1", topics=list(rules))


def test_topics_travel_and_keep_their_name():
    topics = TopicSet.of(document(RULE))
    assert (topics.kinds, TopicSet.from_json(topics.to_json())) == ({"topic.leave"}, topics)
    other = TopicSet.of(document(RULE.model_copy(update={"similarity": 0.7})))
    assert other.digest != topics.digest
    assert TopicSet.of(document()) is None


@given(st.text(max_size=50))
def test_any_text_is_topics_or_the_error(text):
    with contextlib.suppress(TopicsInvalid):
        assert TopicSet.from_json(text).rules == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "topic.a.b"},
        {"kind": "custom.a"},
        {"examples": []},
        {"examples": ["twice", "twice"]},
        {"similarity": 0},
    ],
)
def test_what_is_no_topic_is_refused(fields):
    with pytest.raises(ValidationError):
        TopicRule.model_validate(RULE.model_dump() | fields)


def test_there_may_be_so_many_examples_together():
    many = [TopicRule(id=f"t{n}", kind="topic.t", examples=[f"example {n} {m}" for m in range(200)]) for n in range(6)]
    document(*many[: MAX_EXAMPLES_TOGETHER // 200])
    with pytest.raises(ValidationError, match="examples together"):
        document(*many)
    with pytest.raises(ValidationError, match="topic id"):
        document(RULE, RULE)

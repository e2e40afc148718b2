import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.documents.kinds import UNKNOWN_PART
from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.proxy.json_document import walk
from outpost.proxy.surfaces.openai_chat import (
    parse_answer,
    parse_chunk,
    parse_request,
    without_logprobs,
)

# The words that the parsers look at, in places where nobody expects them.
WORDS = st.sampled_from(
    [
        "model",
        "messages",
        "stream",
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "file",
        "audio",
        "choices",
        "message",
        "delta",
        "index",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "finish_reason",
        "logprobs",
        "token",
        "top_logprobs",
        "prediction",
        "tool_calls",
        "id",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**60) | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)
PARSERS = [parse_request, parse_answer, parse_chunk]


@settings(max_examples=200)
@given(
    st.binary(max_size=60)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda units, rest: json.dumps({"model": "m", **rest, "messages": units, "choices": units}).encode(),
        st.lists(st.dictionaries(WORDS, VALUES, max_size=4), min_size=1, max_size=3),
        st.dictionaries(WORDS, VALUES, max_size=3),
    ),
    st.sampled_from(PARSERS),
)
def test_any_bytes_are_read_or_refused_and_nothing_else(raw, parse):
    with contextlib.suppress(Rejected):
        parsed = parse(raw)
        assert parsed.document.raw == raw
        for count in () if parse is parse_request else (parsed.prompt_tokens, parsed.completion_tokens):
            assert count is None or 0 <= count < 2**53


@given(
    st.lists(st.dictionaries(WORDS | st.text(max_size=3), VALUES, max_size=4), min_size=1, max_size=3),
    st.dictionaries(WORDS | st.text(max_size=3), VALUES, max_size=3),
)
def test_every_leaf_of_a_request_but_vocabulary_is_in_a_segment(units, rest):
    try:
        request = parse_request(json.dumps({**rest, "model": "m", "messages": units, "stream": None}).encode())
    except Rejected:
        return
    inspected = {leaf for segment in request.segments for leaf in segment.leaves}
    for leaf in walk(request.document):
        assert leaf in inspected or leaf.is_name or leaf.path[-1] in {"role", "type"}
        assert leaf in inspected or leaf.text.replace("_", "").isalpha()


def test_messages_are_segments_of_their_own():
    request = parse_request(
        json.dumps(
            {
                "model": "m",
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
                ],
                "user": "d",
            }
        ).encode()
    )

    assert [(segment.name, segment.text.split("\n\x1e\n"), segment.seams_only) for segment in request.segments] == [
        ("messages[0]", ["a"], False),
        ("messages[1]", ["b", "c"], False),
        ("messages[1].content", ["bc"], True),
        ("body", ["m", "d"], False),
    ]


def kinds(content, **more):
    body = {"model": "m", "messages": [{"role": "user", "content": content, **more}]}
    return [item.finding.kind for item in parse_request(json.dumps(body).encode()).unscannable]


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "image_url", "image_url": {"url": "x"}}, "unscannable.image"),
        ({"image_url": {"url": "x"}}, "unscannable.image"),
        ({"type": "text", "text": "x", "image_url": "y"}, "unscannable.image"),
        ({"type": "input_image", "file_id": "x"}, "unscannable.image"),
        ({"type": "image", "source": {"data": "x"}}, "unscannable.image"),
        ({"type": "tool_result", "content": [{"type": "image", "source": {}}]}, "unscannable.image"),
        ({"type": "input_audio", "input_audio": {"data": "x"}}, "unscannable.audio"),
        ({"type": "video_url", "video_url": {"url": "x"}}, "unscannable.video"),
        ({"type": "file", "file": {"file_data": "x"}}, "unscannable.file"),
        ({"type": "document", "source": {}}, "unscannable.file"),
        ({"type": "hologram"}, UNKNOWN_PART),
        ({"type": ["text"]}, UNKNOWN_PART),
        ({"type": 1.5}, UNKNOWN_PART),
        (7, UNKNOWN_PART),
        (["x"], UNKNOWN_PART),
    ],
)
def test_what_holds_no_text_is_found(part, kind):
    assert kind in kinds([{"type": "text", "text": "look"}, part])


@pytest.mark.parametrize(
    "content",
    ["x", None, "", [{"type": "text", "text": "x"}], [{"text": "x"}], [{"type": "refusal", "refusal": "x"}], []],
)
def test_text_is_text(content):
    assert kinds(content) == []


def test_an_earlier_spoken_answer_is_not_text():
    assert kinds(None, audio={"id": "audio_1"}) == ["unscannable.audio"]
    assert kinds("x", audio=None) == []


def test_the_schema_of_a_tool_may_speak_of_files():
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"function": {"parameters": {"properties": {"file": {"type": "string"}, "image": {}}}}}],
    }

    assert parse_request(json.dumps(body).encode()).unscannable == ()


def test_a_prediction_is_looked_through_too():
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "prediction": {"type": "content", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
    }

    assert [item.finding.kind for item in parse_request(json.dumps(body).encode()).unscannable] == ["unscannable.image"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "object"),
        ({"messages": [{}]}, "'model'"),
        ({"model": "x" * 257, "messages": [{}]}, "'model'"),
        ({"model": "m", "messages": "x"}, "'messages'"),
        ({"model": "m", "messages": [{}], "stream": 1}, "'stream'"),
    ],
)
def test_a_wrong_field_is_named(body, said):
    with pytest.raises(Rejected, match=said) as refused:
        parse_request(json.dumps(body).encode())
    assert refused.value.code is ErrorCode.INVALID_REQUEST


def test_only_the_log_probabilities_go():
    data = b'{"id":"x","choices":[{"logprobs":{"content":[]},"n":1.25},{"logprobs":null},"x"]}'

    assert json.loads(without_logprobs(data)) == {
        "id": "x",
        "choices": [{"logprobs": None, "n": 1.25}, {"logprobs": None}, "x"],
    }
    with pytest.raises(Rejected):
        without_logprobs(b'{"choices":[{"logprobs":{"x":1}}],"n":1e999}')

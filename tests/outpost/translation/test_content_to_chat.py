"""Anthropic's content blocks as the contents of chat messages."""

import pytest

from outpost.errors import Untranslatable
from outpost.translation.content_to_chat import TOOL_FAILED, assistant_message, user_messages
from outpost.translation.reading import Members
from tests.outpost.translation.conversation import PDF, PIXEL, asking


def read(how, content):
    notes = asking()
    members = Members({"content": content}, "m", notes)
    made = how(members)
    members.close()
    return made, notes.left_out


def text(said):
    return {"type": "text", "text": said}


def document(kind, **more):
    return {"type": "document", "source": {"type": kind, **more}}


PLAIN = {"media_type": "text/plain", "data": "said"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
IMAGE_PART = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


@pytest.mark.parametrize(
    ("blocks", "content"),
    [
        ("x", "x"),
        ([text("x")], "x"),
        ([text("x"), text("y")], [text("x"), text("y")]),
        ([IMAGE], [IMAGE_PART]),
        (
            [document("base64", media_type="application/pdf", data=PDF)],
            [{"type": "file", "file": {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}],
        ),
        ([document("text", **PLAIN)], "said"),
        (
            [{**document("text", **PLAIN), "title": "t", "context": "c", "citations": {"enabled": False}}],
            [text("t"), text("c"), text("said")],
        ),
        ([document("content", content="said")], "said"),
        ([document("content", content=[text("a"), IMAGE])], [text("a"), IMAGE_PART]),
    ],
)
def test_what_a_user_says(blocks, content):
    assert read(user_messages, blocks)[0] == [{"role": "user", "content": content}]


def test_results_of_tools_are_messages_of_their_own():
    blocks = [
        {"type": "tool_result", "tool_use_id": "c1", "content": [text("a"), text("b")]},
        {"type": "tool_result", "tool_use_id": "c2", "content": "bad", "is_error": True},
        {"type": "tool_result", "tool_use_id": "c3"},
        text("and?"),
    ]
    assert read(user_messages, blocks)[0] == [
        {"role": "tool", "tool_call_id": "c1", "content": [text("a"), text("b")]},
        {"role": "tool", "tool_call_id": "c2", "content": [text(TOOL_FAILED), text("bad")]},
        {"role": "tool", "tool_call_id": "c3", "content": ""},
        {"role": "user", "content": "and?"},
    ]


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ({"type": "search_result", "title": "t"}, ".type"),
        ({"type": "container_upload", "file_id": "f"}, ".type"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, ".source.type"),
        ({"type": "image", "source": {**IMAGE["source"], "media_type": "image/svg+xml"}}, ".source.media_type"),
        ({"type": "image"}, ".source"),
        (document("url", url="https://e.org/a.pdf"), ".source.type"),
        ({**document("text", **PLAIN), "citations": {"enabled": True}}, ".citations.enabled"),
        ({"type": "tool_result", "tool_use_id": "c", "content": [IMAGE]}, ".content[0].type"),
        ({**text("x"), "citations": [{"cited_text": "y"}]}, ".citations"),
        ({**text("x"), "shouted": "y"}, ""),
    ],
)
def test_what_a_user_cannot_say_there(block, field):
    with pytest.raises(Untranslatable) as refused:
        read(user_messages, [block])
    assert refused.value.field == f"m.content[0]{field}"


def test_an_assistants_thoughts_stay_behind():
    use = {"type": "tool_use", "id": "c", "name": "t", "input": {"ü": 1}, "caller": {"type": "direct"}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    made, left_out = read(assistant_message, [thought, text("a"), use])
    call = {"id": "c", "type": "function", "function": {"name": "t", "arguments": '{"ü": 1}'}}
    assert made == {"role": "assistant", "content": "a", "tool_calls": [call]}
    assert left_out == ["m.content[0].thinking", "m.content[0].signature"]
    assert read(assistant_message, [{"type": "redacted_thinking", "data": "d"}]) == (None, ["m.content[0].data"])
    assert read(assistant_message, [use])[0]["content"] is None


@pytest.mark.parametrize(
    ("blocks", "field"),
    [
        ([{"type": "tool_use", "id": "c", "name": "t", "input": {}}, text("a")], "m.content[1]"),
        ([{"type": "thinking", "thinking": "hm", "signature": "s", "text": "a"}], "m.content[0]"),
        ([{"type": "server_tool_use", "id": "c"}], "m.content[0].type"),
        ([{"type": "tool_use", "id": "c", "name": "t", "input": "a"}], "m.content[0].input"),
        (
            [{"type": "tool_use", "id": "c", "name": "t", "input": {}, "caller": {"type": "code", "tool_id": "x"}}],
            "m.content[0].caller",
        ),
    ],
)
def test_what_an_assistant_cannot_have_done_there(blocks, field):
    with pytest.raises(Untranslatable) as refused:
        read(assistant_message, blocks)
    assert refused.value.field == field

"""Contents of chat messages as Anthropic's blocks."""

import base64

import pytest

from outpost.errors import Untranslatable
from outpost.translation.content_to_anthropic import assistant_blocks, text_blocks, tool_result, user_blocks
from outpost.translation.reading import Members
from tests.outpost.translation.conversation import PDF, PIXEL, asking


def read(how, message):
    members = Members(message, "m", asking())
    made = how(members)
    members.close()
    return made


def text(said):
    return {"type": "text", "text": said}


def url(address):
    return {"type": "image_url", "image_url": {"url": address}}


def file(data, **more):
    return {"type": "file", "file": {"file_data": data, **more}}


def plain_text(said):
    return "data:text/plain;base64," + base64.b64encode(said.encode()).decode()


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (text("Grüße"), text("Grüße")),
        (url("HTTPS://e.org/a"), {"type": "image", "source": {"type": "url", "url": "HTTPS://e.org/a"}}),
        (
            url(f"data:image/PNG;base64,{PIXEL}"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        ),
        (
            file(f"data:application/pdf;base64,{PDF}"),
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
        ),
        (
            file(plain_text("Grüße"), filename="a.txt"),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"},
                "title": "a.txt",
            },
        ),
    ],
)
def test_parts_of_a_user(part, block):
    assert read(user_blocks, {"content": [part]}) == [block]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}}, ".type"),
        ({"type": "image_url"}, ".image_url"),
        (url("file:///etc/passwd"), ".image_url.url"),
        (url("data:image/svg+xml;base64,AAAA"), ".image_url.url"),
        (url("data:image/png,plain"), ".image_url.url"),
        (file("data:text/html;base64,AAAA"), ".file.file_data"),
        (file("AAAA"), ".file.file_data"),
        (file("data:text/plain;base64,gA=="), ".file.file_data"),
        (file("data:text/plain;base64,A"), ".file.file_data"),
        ({"type": "file", "file": {"file_id": "f1"}}, ".file.file_id"),
        ({**text("x"), "shouted": "y"}, ""),
        ({"type": "text"}, ".text"),
    ],
)
def test_what_a_user_cannot_say_there(part, field):
    with pytest.raises(Untranslatable) as refused:
        read(user_blocks, {"content": [part]})
    assert refused.value.field == f"m.content[0]{field}"


@pytest.mark.parametrize("content", ["", [], None])
def test_a_user_must_say_something(content):
    with pytest.raises(Untranslatable, match=r"m\.content"):
        read(user_blocks, {"content": content})


def test_an_assistant_says_calls_and_refuses():
    call = {"id": "c", "type": "function", "index": 0, "function": {"name": "t", "arguments": ""}}
    message = {
        "content": [text("a"), {"type": "refusal", "refusal": "no"}],
        "refusal": "never",
        "tool_calls": [call],
        "audio": None,
        "annotations": [],
    }
    use = {"type": "tool_use", "id": "c", "name": "t", "input": {}}
    assert read(assistant_blocks, message) == [text("a"), text("no"), text("never"), use]


@pytest.mark.parametrize("arguments", ["[1]", "{", "5", '"a"', "[" * 100_000])
def test_arguments_must_be_an_object(arguments):
    call = {"id": "c", "type": "function", "function": {"name": "t", "arguments": arguments}}
    with pytest.raises(Untranslatable, match=r"m\.tool_calls\[0\]\.function\.arguments"):
        read(assistant_blocks, {"tool_calls": [call]})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("audio", {"id": "a"}),
        ("function_call", {"name": "f", "arguments": "{}"}),
        ("annotations", [{"type": "url_citation"}]),
        ("tool_calls", [{"id": "c", "type": "custom", "custom": {"name": "c", "input": "x"}}]),
    ],
)
def test_what_an_assistant_cannot_say_there(member, value):
    with pytest.raises(Untranslatable, match=rf"m\.{member}"):
        read(assistant_blocks, {"content": "a", member: value})


def test_a_tool_answers_in_text():
    assert read(tool_result, {"tool_call_id": "c", "content": [text("a")]}) == {
        "type": "tool_result",
        "tool_use_id": "c",
        "content": [text("a")],
    }
    with pytest.raises(Untranslatable, match=r"m\.content\[0\]\.type"):
        read(text_blocks, {"content": [url("https://e.org/a")]})

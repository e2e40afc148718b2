"""Anthropic's content blocks as the contents of chat messages: text, images, documents, calls of tools and results.

Source: Anthropic API reference, /v1/messages (content blocks); OpenAI API reference, /v1/chat/completions (messages).
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from outpost.translation.content_to_anthropic import IMAGES, PDF, PLAIN_TEXT
from outpost.translation.reading import Members

Parts = list[dict[str, Any]]

TOOL_FAILED: Final = "The tool failed:"
"""Stands before the result of a tool that failed, for which chat completions have no flag."""
_UNNAMED: Final = "document.pdf"  # OpenAI's API wants a name; the client gave none
_THOUGHTS: Final = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}


def text_part(text: str) -> dict[str, Any]:
    """A part of nothing but text."""
    return {"type": "text", "text": text}


def plain(parts: Parts) -> str | Parts:
    """One text as a string, which every chat model takes; anything else as it is."""
    if not parts:
        return ""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def text_parts(message: Members, name: str = "content") -> Parts:
    """What was said in text alone.

    Raises:
        Untranslatable: There is something else than text, or text with citations.
    """
    content = message.any(name)
    if isinstance(content, str):
        return [text_part(content)] if content else []
    return [_text(block) for block in message.objects(name) if block.word("type", ("text",))]


def user_messages(message: Members) -> list[dict[str, Any]]:
    """What a user said, and before it the results of tools, each of which is a message of its own.

    Raises:
        Untranslatable: It holds what chat completions do not know: files elsewhere, search results, a tool's image.
    """
    content = message.any("content")
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    messages: list[dict[str, Any]] = []
    for block in message.objects("content"):
        kind = block.word("type", ("text", "image", "document", "tool_result"))
        if kind == "tool_result":
            messages.append(_tool_result(block))
            continue
        if not messages or messages[-1]["role"] == "tool":
            messages.append({"role": "user", "content": []})
        messages[-1]["content"] += _parts(block, kind)
    for made in messages:
        made["content"] = plain(made["content"])
    return messages


def assistant_message(message: Members) -> dict[str, Any] | None:
    """What an assistant said and which tools it called, without its thoughts; ``None`` if nothing is left.

    Raises:
        Untranslatable: It used a tool of the provider's own, or spoke on after calling a tool.
    """
    content = message.any("content")
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    parts: Parts = []
    calls: Parts = []
    for block in message.objects("content"):
        kind = block.word("type", ("text", "tool_use", *_THOUGHTS))
        if kind in _THOUGHTS:
            block.leave_out(*_THOUGHTS[kind], "cache_control")
            block.close()
        elif kind == "tool_use":
            calls.append(tool_call(block))
        elif calls:
            block.refuse("", "is text after the call of a tool, which chat completions cannot say in this order")
        else:
            parts.append(_text(block))
    if not parts and not calls:
        return None
    return {"role": "assistant", "content": plain(parts) or None} | ({"tool_calls": calls} if calls else {})


def tool_call(block: Members) -> dict[str, Any]:
    """The call of a tool.

    Raises:
        Untranslatable: It was not called by the model itself.
    """
    block.only("caller", {"type": "direct"}, why="must be 'direct'")
    block.only("toolset_name", why="has no counterpart in chat completions")
    block.leave_out("cache_control")
    function = {"name": block.text("name"), "arguments": arguments(block.mapping("input"))}
    call = {"id": block.text("id"), "type": "function", "function": function}
    block.close()
    return call


def arguments(value: dict[str, Any]) -> str:
    """The arguments of a call as JSON in a string."""
    return json.dumps(value, ensure_ascii=False)


def _text(block: Members) -> dict[str, Any]:
    part = text_part(block.text("text"))
    block.only("citations", why="has no counterpart in chat completions")
    block.leave_out("cache_control")
    block.close()
    return part


def _tool_result(block: Members) -> dict[str, Any]:
    said = text_parts(block)
    if block.flag("is_error"):
        said.insert(0, text_part(TOOL_FAILED))
    block.only("toolset_name", why="has no counterpart in chat completions")
    block.leave_out("cache_control")
    message = {"role": "tool", "tool_call_id": block.text("tool_use_id"), "content": said}
    block.close()
    return message


def _parts(block: Members, kind: str) -> Sequence[dict[str, Any]]:
    if kind == "text":
        return [_text(block)]
    return [_image(block)] if kind == "image" else _document(block)


def _image(block: Members) -> dict[str, Any]:
    source = block.object("source") or block.refuse("source", "must be an object")
    if source.word("type", ("base64", "url")) == "url":
        url = source.text("url")
    else:
        url = f"data:{source.word('media_type', IMAGES)};base64,{source.text('data')}"
    source.close()
    block.only("transformations", why="has no counterpart in chat completions")
    block.leave_out("cache_control")
    block.close()
    return {"type": "image_url", "image_url": {"url": url}}


def _document(block: Members) -> Parts:
    """A PDF as a file; a document of text as text, with its title and context before it."""
    source = block.object("source") or block.refuse("source", "must be an object")
    kind = source.word("type", ("base64", "text", "content"))
    title, context = block.text_or_none("title"), block.text_or_none("context")
    parts: Parts = []
    if kind == "base64":
        source.word("media_type", (PDF,))
        data = f"data:{PDF};base64,{source.text('data')}"
        parts.append({"type": "file", "file": {"filename": title or _UNNAMED, "file_data": data}})
        title = None
    elif kind == "text":
        source.word("media_type", (PLAIN_TEXT,))
        parts.append(text_part(source.text("data")))
    elif isinstance(source.any("content"), str):
        parts.append(text_part(source.text("content")))
    else:
        for inner in source.objects("content"):
            parts += _parts(inner, inner.word("type", ("text", "image")))
    source.close()
    _no_citations(block)
    block.leave_out("cache_control")
    block.close()
    return [*(text_part(said) for said in (title, context) if said), *parts]


def _no_citations(block: Members) -> None:
    citations = block.object("citations")
    if citations:
        citations.only("enabled", False, why="has no counterpart in chat completions")
        citations.close()

"""Contents of chat messages as Anthropic's blocks: text, images, documents, the calls of tools and their results.

Source: OpenAI API reference, /v1/chat/completions (messages); Anthropic API reference, /v1/messages (content blocks).
"""

import base64
import binascii
import json
import re
from typing import Any, Final

from outpost.translation.reading import Members

IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
PDF: Final = "application/pdf"
PLAIN_TEXT: Final = "text/plain"
_DATA_URL: Final = re.compile(r"data:([a-z]+/[a-z0-9.+-]+)(?:;charset=utf-8)?;base64,([A-Za-z0-9+/=]*)", re.IGNORECASE)
_WEB: Final = ("https://", "http://")

Blocks = list[dict[str, Any]]


def text_block(text: str) -> dict[str, Any]:
    """A block of nothing but text."""
    return {"type": "text", "text": text}


def user_blocks(message: Members) -> str | Blocks:
    """What a user said.

    Raises:
        Untranslatable: It says nothing, or in a way that Anthropic's API does not know (audio, files elsewhere).
    """
    content = message.any("content")
    if isinstance(content, str):
        return content or message.refuse("content", "must not be empty")
    blocks = [_block(part) for part in message.objects("content")]
    return blocks or message.refuse("content", "must not be empty")


def text_blocks(message: Members, name: str = "content") -> Blocks:
    """What was said in text alone, by the system, an assistant or a tool; refusals are an assistant's words too.

    Raises:
        Untranslatable: There is something else than text.
    """
    content = message.any(name)
    if isinstance(content, str):
        return [text_block(content)] if content else []
    blocks = []
    for part in message.objects(name):
        kind = part.word("type", ("text", "refusal"))
        text = part.text(kind)
        part.leave_out("prompt_cache_breakpoint")
        part.close()
        blocks += [text_block(text)] if text else []
    return blocks


def assistant_blocks(message: Members) -> Blocks:
    """What an assistant said and which tools it called; its thoughts stay behind.

    Raises:
        Untranslatable: It spoke aloud, or called something that is no function.
    """
    blocks = text_blocks(message)
    refusal = message.text_or_none("refusal")
    if refusal:
        blocks.append(text_block(refusal))
    message.leave_out("reasoning_content", "reasoning")
    message.only("audio", why="is audio, which Anthropic's API does not have")
    message.only("function_call", why="is replaced by 'tool_calls'")
    message.only("annotations", why="cannot be translated")
    return blocks + [tool_use(call) for call in message.objects("tool_calls")]


def tool_use(call: Members) -> dict[str, Any]:
    """The call of a tool.

    Raises:
        Untranslatable: It is not the call of a function with an object of arguments.
    """
    call.only("type", "function", why="must be 'function'")
    call.any("index")
    function = call.object("function") or call.refuse("function", "must be an object")
    block = {
        "type": "tool_use",
        "id": call.text("id"),
        "name": function.text("name"),
        "input": arguments(function, "arguments"),
    }
    function.close()
    call.close()
    return block


def arguments(function: Members, name: str) -> dict[str, Any]:
    """The arguments of a call, which chat completions hold as JSON in a string.

    Raises:
        Untranslatable: They are no JSON object.
    """
    text = function.text(name)
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        function.refuse(name, "must be a JSON object")
    return value


def tool_result(message: Members) -> dict[str, Any]:
    """What a tool answered.

    Raises:
        Untranslatable: It is something else than text.
    """
    content = message.any("content")
    said: str | Blocks = content if isinstance(content, str) else text_blocks(message)
    return {"type": "tool_result", "tool_use_id": message.text("tool_call_id"), "content": said}


def _block(part: Members) -> dict[str, Any]:
    kind = part.word("type", ("text", "image_url", "file"))
    if kind == "text":
        block = text_block(part.text("text"))
    elif kind == "image_url":
        block = _image(part.object("image_url") or part.refuse("image_url", "must be an object"))
    else:
        block = _document(part.object("file") or part.refuse("file", "must be an object"))
    part.leave_out("prompt_cache_breakpoint")
    part.close()
    return block


def _image(image: Members) -> dict[str, Any]:
    url = image.text("url")
    image.leave_out("detail")
    image.close()
    if url.lower().startswith(_WEB):
        return {"type": "image", "source": {"type": "url", "url": url}}
    data = _DATA_URL.fullmatch(url)
    if data is None or data[1].lower() not in IMAGES:
        image.refuse("url", "must be an address on the web or a JPEG, PNG, GIF or WebP as a data URL")
    return {"type": "image", "source": {"type": "base64", "media_type": data[1].lower(), "data": data[2]}}


def _document(file: Members) -> dict[str, Any]:
    file.only("file_id", why="is a file at the provider, which another provider does not have")
    data = _DATA_URL.fullmatch(file.text("file_data"))
    kind = data[1].lower() if data else ""
    title = file.text_or_none("filename")
    file.close()
    if data is None or kind not in {PDF, PLAIN_TEXT}:
        file.refuse("file_data", "must be a PDF or plain text as a data URL")
    source = {"type": "base64", "media_type": PDF, "data": data[2]}
    if kind == PLAIN_TEXT:
        try:
            text = base64.b64decode(data[2], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            file.refuse("file_data", "must be text in UTF-8")
        source = {"type": "text", "media_type": PLAIN_TEXT, "data": text}
    return {"type": "document", "source": source} | ({"title": title} if title else {})

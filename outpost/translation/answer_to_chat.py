"""An Anthropic message as a chat completion.

Members that chat completions have no place for are left out; a content block of another kind than text, thoughts or
the call of a tool is refused, because its text would be lost.
Source: Anthropic API reference, /v1/messages (response); OpenAI API reference, the chat completion object.
"""

from datetime import datetime
from typing import Any

from outpost.translation.content_to_chat import tool_call
from outpost.translation.ending import chat_usage, finish_reason
from outpost.translation.reading import Members, Notes


def answer_to_chat(body: Any, notes: Notes, at: datetime) -> dict[str, Any]:
    """The completion, created ``at``. Thoughts become ``reasoning_content``, as other providers call them.

    Raises:
        Untranslatable: It is no message, or one with blocks that chat completions do not have.
    """
    answer = Members(body, "", notes)
    answer.word("type", ("message",))
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for block in answer.objects("content"):
        kind = block.word("type", ("text", "thinking", "redacted_thinking", "tool_use"))
        if kind == "text":
            block.only("citations", why="has no counterpart in chat completions")
            texts.append(block.text("text"))
        elif kind == "thinking":
            thoughts.append(block.text("thinking"))
        elif kind == "tool_use":
            calls.append(tool_call(block))
    if texts:
        message["content"] = "".join(texts)
    if calls:
        message["tool_calls"] = calls
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    reason = finish_reason(answer)
    if reason == "content_filter":
        message["refusal"] = explanation(answer)
    usage = answer.object("usage") or answer.refuse("usage", "must be an object")
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {
        "id": answer.text("id"),
        "object": "chat.completion",
        "created": int(at.timestamp()),
        "model": answer.text("model"),
        "choices": [choice],
        "usage": chat_usage(usage),
    }


def explanation(answer: Members) -> str | None:
    """What the provider says of its refusal."""
    details = answer.object("stop_details")
    return details.text_or_none("explanation") if details else None

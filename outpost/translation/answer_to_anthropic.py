"""A chat completion as an Anthropic message.

Members that Anthropic's API has no place for are left out; what the model said in another way than text, thoughts or
the calls of functions is refused.
Source: OpenAI API reference, the chat completion object; Anthropic API reference, /v1/messages (response).
"""

from typing import Any, Final

from outpost.translation.content_to_anthropic import text_block, tool_use
from outpost.translation.ending import anthropic_usage, stop_reason
from outpost.translation.reading import Members, Notes

THOUGHTS: Final = ("reasoning_content", "reasoning")
"""Where providers put what a model thought; OpenAI's own do not show it. The first that is filled counts."""


def answer_to_anthropic(body: Any, notes: Notes, *, thoughts: bool) -> dict[str, Any]:
    """The message; with ``thoughts`` if the client asked for them.

    Raises:
        Untranslatable: It is no completion with one choice, or says something that a message cannot.
    """
    answer = Members(body, "", notes)
    choices = list(answer.objects("choices"))
    if len(choices) != 1:
        answer.refuse("choices", "must be one")
    message = choices[0].object("message") or choices[0].refuse("message", "must be an object")
    blocks: list[dict[str, Any]] = []
    thought = said_thoughts(message)
    if thought and thoughts:
        blocks.append({"type": "thinking", "thinking": thought, "signature": ""})
    content, refusal = message.text_or_none("content"), message.text_or_none("refusal")
    blocks += [text_block(text) for text in (content, refusal) if text]
    refuse_others(message)
    calls = [tool_use(call) for call in message.objects("tool_calls")]
    return {
        "id": answer.text("id"),
        "type": "message",
        "role": "assistant",
        "model": answer.text("model"),
        "content": blocks + calls,
        "stop_reason": stop_reason(choices[0], called=bool(calls), refused=bool(refusal)),
        "stop_sequence": None,
        "usage": anthropic_usage(answer.object("usage")),
    }


def said_thoughts(message: Members) -> str | None:
    """What the model thought, as far as a message or delta says."""
    said = [message.any(name) for name in THOUGHTS]
    return next((text for text in said if isinstance(text, str) and text), None)


def refuse_others(message: Members) -> None:
    """Refuse what is said in a way that Anthropic's messages do not have.

    Raises:
        Untranslatable: The message or delta has it.
    """
    for name in ("audio", "function_call", "annotations"):
        message.only(name, why="has no counterpart in Anthropic's API")

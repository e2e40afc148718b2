"""The events of an Anthropic message as the chunks of a chat completion.

Every chunk goes out as soon as its event has come. The usage follows in a chunk of its own if the client asked for it.
Source: Anthropic API reference, "Streaming messages"; OpenAI API reference, the chat completion chunk object.
"""

from datetime import datetime
from typing import Any, Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.translation.answer_to_chat import explanation
from outpost.translation.content_to_chat import arguments
from outpost.translation.ending import chat_usage, finish_reason
from outpost.translation.reading import Members, Notes, read, write
from outpost.translation.sent import DONE, Sent

_CODE: Final = ErrorCode.PROVIDER_INVALID_RESPONSE
# Kinds of delta, each with the kind of block it belongs to.
_DELTAS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}


class AnthropicToChat:
    """One streamed message."""

    def __init__(self, at: datetime, *, include_usage: bool) -> None:
        """``at`` is when the completion is created; ``include_usage`` what the client asked of the stream."""
        self._created = int(at.timestamp())
        self._include_usage = include_usage
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, str] = {}  # open ones, and their kind
        self._calls = -1  # position of the call that is being streamed
        self._has_arguments = False
        self._reason: str | None = None
        self._refusal: str | None = None
        self._ended = False

    def feed(self, data: bytes) -> list[Sent]:
        """Chunks that say what the event says."""
        event = Members(read(data, _CODE), "", Notes(_CODE, strict=False))
        kind = event.text("type")
        if kind == "error":
            raise Rejected(ErrorCode.PROVIDER_ERROR, "the provider ended its answer with an error")
        if kind == "ping":
            return []
        if self._ended or (not self._head) != (kind == "message_start"):
            event.refuse("type", "comes out of turn")
        match kind:
            case "message_start":
                return self._start(event)
            case "content_block_start":
                return self._block_start(event)
            case "content_block_delta":
                return self._block_delta(event)
            case "content_block_stop":
                return self._block_stop(event)
            case "message_delta":
                return self._message_delta(event)
            case "message_stop":
                return self._message_stop(event)
        return event.refuse("type", "is not a value that can be translated")

    def end(self) -> list[Sent]:
        """Nothing more: the message has said itself that it stops."""
        if not self._ended:
            raise Rejected(_CODE, "the provider's stream ended before its message")
        return []

    def _start(self, event: Members) -> list[Sent]:
        message = event.object("message") or event.refuse("message", "must be an object")
        self._head = {
            "id": message.text("id"),
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": message.text("model"),
        }
        self._count(message)
        return [self._delta({"role": "assistant", "content": ""})]

    def _block_start(self, event: Members) -> list[Sent]:
        index = _index(event)
        block = event.object("content_block") or event.refuse("content_block", "must be an object")
        kind = block.word("type", ("text", "thinking", "redacted_thinking", "tool_use"))
        if index in self._blocks:
            event.refuse("index", "is open already")
        self._blocks[index] = kind
        if kind == "text":
            block.only("citations", why="has no counterpart in chat completions")
            return self._said("content", block.text("text"))
        if kind == "thinking":
            return self._said("reasoning_content", block.text("thinking"))
        if kind == "redacted_thinking":
            return []
        if self._blocks.keys() - {index}:
            event.refuse("index", "begins before the block before it has ended")
        self._calls += 1
        given = block.mapping("input")
        self._has_arguments = bool(given)
        function = {"name": block.text("name"), "arguments": arguments(given) if given else ""}
        call = {"index": self._calls, "id": block.text("id"), "type": "function", "function": function}
        return [self._delta({"tool_calls": [call]})]

    def _block_delta(self, event: Members) -> list[Sent]:
        kind = self._blocks.get(_index(event))
        delta = event.object("delta") or event.refuse("delta", "must be an object")
        said = delta.word("type", _DELTAS)
        if kind != _DELTAS[said]:
            event.refuse("delta", "is not one of the block it belongs to")
        if said == "text_delta":
            return self._said("content", delta.text("text"))
        if said == "thinking_delta":
            return self._said("reasoning_content", delta.text("thinking"))
        if said == "signature_delta":
            return []
        return self._arguments(delta.text("partial_json"))

    def _block_stop(self, event: Members) -> list[Sent]:
        kind = self._blocks.pop(_index(event), None)
        if kind is None:
            event.refuse("index", "is of no open block")
        # Clients read the arguments as JSON, also where the tool takes none.
        return self._arguments("{}") if kind == "tool_use" and not self._has_arguments else []

    def _message_delta(self, event: Members) -> list[Sent]:
        delta = event.object("delta") or event.refuse("delta", "must be an object")
        self._count(event)
        if delta.any("stop_reason") is not None:
            self._reason = finish_reason(delta)
            self._refusal = explanation(delta)
        return []

    def _message_stop(self, event: Members) -> list[Sent]:
        if self._blocks or self._reason is None:
            event.refuse("type", "comes before the message has ended")
        self._ended = True
        refusal = {"refusal": self._refusal} if self._refusal and self._reason == "content_filter" else {}
        out = [self._delta(refusal, self._reason)]
        if self._include_usage:
            usage = chat_usage(Members(self._usage, "usage", event.notes))
            out.append(Sent(write({**self._head, "choices": [], "usage": usage}, _CODE)))
        return [*out, Sent(DONE)]

    def _said(self, member: str, text: str) -> list[Sent]:
        return [self._delta({member: text})] if text else []

    def _arguments(self, text: str) -> list[Sent]:
        self._has_arguments = self._has_arguments or bool(text)
        call = {"index": self._calls, "function": {"arguments": text}}
        return [self._delta({"tool_calls": [call]})] if text else []

    def _delta(self, delta: dict[str, Any], reason: str | None = None) -> Sent:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        usage = {"usage": None} if self._include_usage else {}
        return Sent(write({**self._head, "choices": [choice], **usage}, _CODE))

    def _count(self, owner: Members) -> None:
        """Counts are those up to here, so later ones replace earlier ones."""
        counted = owner.any("usage")
        if counted is not None:
            self._usage |= {name: count for name, count in owner.mapping("usage").items() if count is not None}


def _index(event: Members) -> int:
    index = event.whole("index")
    return event.refuse("index", "must be a whole number") if index is None else index

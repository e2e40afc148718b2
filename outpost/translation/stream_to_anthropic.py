"""The chunks of a chat completion as the events of an Anthropic message.

A block begins with the first piece of its text, thoughts or call and stops when another begins; the reason and the
usage, which chat completions may send after each other, go out together when the stream is done.
Source: OpenAI API reference, the chat completion chunk object; Anthropic API reference, "Streaming messages".
"""

from typing import Any, Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.translation.answer_to_anthropic import refuse_others, said_thoughts
from outpost.translation.ending import anthropic_usage, stop_reason
from outpost.translation.reading import Members, Notes, read, write
from outpost.translation.sent import DONE, Sent

_CODE: Final = ErrorCode.PROVIDER_INVALID_RESPONSE
_Event = dict[str, Any]


class ChatToAnthropic:
    """One streamed completion."""

    def __init__(self, *, thoughts: bool) -> None:
        """``thoughts``: the client asked for them."""
        self._thoughts = thoughts
        self._started = False
        self._index = -1  # of the block that began last
        self._open = ""  # its kind, while it is open
        self._call: tuple[int, str] | None = None  # position and id of the call it is, if it is one
        self._called: set[int] = set()
        self._refused = False
        self._finish: Members | None = None
        self._usage: Members | None = None
        self._ended = False

    def feed(self, data: bytes) -> list[Sent]:
        """Events that say what the chunk says."""
        if data == DONE:
            return self._end()
        chunk = Members(read(data, _CODE), "", Notes(_CODE, strict=False))
        if chunk.any("error") is not None:
            raise Rejected(ErrorCode.PROVIDER_ERROR, "the provider ended its answer with an error")
        if self._ended:
            chunk.refuse("", "comes after the end")
        self._usage = chunk.object("usage") or self._usage
        choices = list(chunk.objects("choices"))
        if not choices:
            return []
        if len(choices) > 1 or choices[0].whole("index"):
            chunk.refuse("choices", "must be one")
        had_finished = self._finish is not None
        out = self._choice(choices[0])
        if had_finished and out:  # some send the usage with a choice that says nothing
            chunk.refuse("choices", "come after the last one has finished")
        return [_sent(event) for event in [*self._message(chunk), *out]]

    def end(self) -> list[Sent]:
        """The end of the message, for a provider that ends its stream without saying so."""
        return [] if self._ended else self._end()

    def _message(self, chunk: Members) -> list[_Event]:
        if self._started:
            return []
        self._started = True
        message: _Event = {
            "id": chunk.text("id"),
            "type": "message",
            "role": "assistant",
            "model": chunk.text("model"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return [{"type": "message_start", "message": message}]

    def _choice(self, choice: Members) -> list[_Event]:
        out: list[_Event] = []
        delta = choice.object("delta")
        if delta:
            refuse_others(delta)
            thought = said_thoughts(delta)
            if thought and self._thoughts:
                out += self._said("thinking", thought)
            for member in ("content", "refusal"):
                text = delta.text_or_none(member)
                out += self._said("text", text) if text else []
                self._refused = self._refused or bool(text and member == "refusal")
            for call in delta.objects("tool_calls"):
                out += self._calling(call)
        if self._finish is None and choice.any("finish_reason") is not None:
            self._finish = choice
            self._reason()
        return out

    def _said(self, kind: str, text: str) -> list[_Event]:
        begin: list[_Event] = []
        if self._open != kind:
            signature = {"signature": ""} if kind == "thinking" else {}
            begin = self._begin({"type": kind, kind: "", **signature})
        return [*begin, self._delta({"type": f"{kind}_delta", kind: text})]

    def _calling(self, call: Members) -> list[_Event]:
        out: list[_Event] = []
        position, name = call.whole("index") or 0, call.text_or_none("id")
        call.only("type", "function", why="must be 'function'")
        function = call.object("function") or call.refuse("function", "must be an object")
        if self._call is None or position != self._call[0] or (name and name != self._call[1]):
            if not name or (position in self._called and self._call is None):
                call.refuse("", "goes on with a call that has ended")
            self._called.add(position)
            block = {"type": "tool_use", "id": name, "name": function.text("name"), "input": {}}
            out += self._begin(block, (position, name))
        text = function.text_or_none("arguments")
        return [*out, self._delta({"type": "input_json_delta", "partial_json": text})] if text else out

    def _begin(self, block: _Event, call: tuple[int, str] | None = None) -> list[_Event]:
        out = self._stop()
        self._index += 1
        self._open, self._call = block["type"], call
        return [*out, {"type": "content_block_start", "index": self._index, "content_block": block}]

    def _delta(self, delta: _Event) -> _Event:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _stop(self) -> list[_Event]:
        was_open, self._open, self._call = self._open, "", None
        return [{"type": "content_block_stop", "index": self._index}] if was_open else []

    def _reason(self) -> str:
        if self._finish is None:
            raise Rejected(_CODE, "the provider's stream ended before its answer")
        return stop_reason(self._finish, called=bool(self._called), refused=self._refused)

    def _end(self) -> list[Sent]:
        if self._ended:
            raise Rejected(_CODE, "the provider's stream ended twice")
        delta = {"stop_reason": self._reason(), "stop_sequence": None}
        usage = anthropic_usage(self._usage)
        self._ended = True
        last = {"type": "message_delta", "delta": delta, "usage": usage}
        return [_sent(event) for event in [*self._stop(), last, {"type": "message_stop"}]]


def _sent(event: _Event) -> Sent:
    return Sent(write(event, _CODE), event["type"].encode())

"""What the stand-in says over a WebSocket: the events of one realtime session, in text. Pure.

Echoes as in ``answers.py``; ids count up, so that the same events get the same answers.
Shapes: https://platform.openai.com/docs/api-reference/realtime (client events, server events).
"""

import json
from collections.abc import Generator, Iterator

from outpost.demo import answers
from outpost.demo.answers import DELTA_CHARACTERS, Json, ToolCall

EXPIRES_AT = 1_900_000_000


class Session:
    """One connection: its settings and the conversation so far."""

    def __init__(self, model: str) -> None:
        self._settings: Json = {
            "type": "realtime",
            "object": "realtime.session",
            "id": "sess_standin",
            "model": model,
            "output_modalities": ["text"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "expires_at": EXPIRES_AT,
            "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24_000}}, "output": {"voice": "marin"}},
        }
        self._messages: list[Json] = []
        self._made = 0

    def opened(self) -> Iterator[Json]:
        """What is said at once."""
        yield self._event("session.created", session=self._settings)

    def answered(self, event: Json) -> Iterator[Json]:
        """What is said to an event of the client."""
        kind = event.get("type")
        if kind == "session.update" and isinstance(event.get("session"), dict):
            self._settings |= event["session"]
            yield self._event("session.updated", session=self._settings)
        elif kind == "conversation.item.create" and isinstance(event.get("item"), dict):
            yield from self._item(event["item"])
        elif kind == "response.create":
            yield from self._response(event.get("response") or {})
        elif kind != "response.cancel":
            error = {
                "type": "invalid_request_error",
                "code": "unknown_event",
                "message": f"Invalid value: '{kind}'.",
                "param": "type",
                "event_id": event.get("event_id"),
            }
            yield self._event("error", error=error)

    def _item(self, given: Json) -> Iterator[Json]:
        item = {"id": self._id("item"), "object": "realtime.item", "status": "completed", **given}
        parts = [part for part in item.get("content", []) if isinstance(part, dict)]
        text = "".join(str(part.get("text", "")) for part in parts)
        role = "tool" if item.get("type") == "function_call_output" else item.get("role", "user")
        self._messages.append({"role": role, "content": text or str(item.get("output", ""))})
        yield self._event("conversation.item.added", previous_item_id=None, item=item)
        yield self._event("conversation.item.done", previous_item_id=None, item=item)

    def _response(self, given: Json) -> Iterator[Json]:
        tools = given.get("tools") or self._settings["tools"]
        asked = {
            "model": self._settings["model"],
            "messages": self._messages or [{"role": "user", "content": ""}],
            "tools": [{"type": "function", "function": tool} for tool in tools],
        }
        chat = answers.parse_chat(json.dumps(asked).encode())
        said = answers.answer(chat)
        counted = answers.usage(chat, said)
        whole: Json = {
            "object": "realtime.response",
            "id": self._id("resp"),
            "status": "in_progress",
            "output": [],
            "metadata": given.get("metadata"),
        }
        yield self._event("response.created", response=whole)
        place = {"response_id": whole["id"], "output_index": 0}
        if said.tool_calls:
            item = yield from self._called(said.tool_calls[0], place)
        else:
            item = yield from self._said(said.text or "", place)
            self._messages.append({"role": "assistant", "content": said.text or ""})
        usage = {
            "total_tokens": counted["total_tokens"],
            "input_tokens": counted["prompt_tokens"],
            "output_tokens": counted["completion_tokens"],
        }
        ended = {**whole, "status": "completed", "output": [item], "usage": usage}
        yield self._event("response.done", response=ended)

    def _said(self, text: str, place: Json) -> Generator[Json, None, Json]:
        item: Json = {"id": self._id("item"), "object": "realtime.item", "type": "message", "role": "assistant"}
        yield self._event("response.output_item.added", **place, item={**item, "status": "in_progress", "content": []})
        here = {**place, "item_id": item["id"], "content_index": 0}
        yield self._event("response.content_part.added", **here, part={"type": "text", "text": ""})
        for start in range(0, len(text), DELTA_CHARACTERS):
            yield self._event("response.output_text.delta", **here, delta=text[start : start + DELTA_CHARACTERS])
        yield self._event("response.output_text.done", **here, text=text)
        yield self._event("response.content_part.done", **here, part={"type": "text", "text": text})
        whole = {**item, "status": "completed", "content": [{"type": "output_text", "text": text}]}
        yield self._event("response.output_item.done", **place, item=whole)
        return whole

    def _called(self, call: ToolCall, place: Json) -> Generator[Json, None, Json]:
        item: Json = {
            "id": self._id("item"),
            "object": "realtime.item",
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
        }
        yield self._event(
            "response.output_item.added", **place, item={**item, "status": "in_progress", "arguments": ""}
        )
        here = {**place, "item_id": item["id"], "call_id": call.id}
        for start in range(0, len(call.arguments), DELTA_CHARACTERS):
            delta = call.arguments[start : start + DELTA_CHARACTERS]
            yield self._event("response.function_call_arguments.delta", **here, delta=delta)
        yield self._event("response.function_call_arguments.done", **here, name=call.name, arguments=call.arguments)
        whole = {**item, "status": "completed", "arguments": call.arguments}
        yield self._event("response.output_item.done", **place, item=whole)
        return whole

    def _id(self, kind: str) -> str:
        self._made += 1
        return f"{kind}_{self._made}"

    def _event(self, kind: str, **members: object) -> Json:
        return {"type": kind, "event_id": self._id("event"), **members}

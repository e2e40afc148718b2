"""OpenAI's SDK for Python on ``/v1/realtime``: events over a WebSocket."""

from collections.abc import Iterator
from typing import Any

from openai import OpenAI
from openai.resources.realtime.realtime import RealtimeConnection

from tests.e2e.clients.asking import CARD, SAY, TOOL, USE_THE_TOOL, Cases, Target, outcome, report


def cases(at: Target) -> Cases:
    client = OpenAI(base_url=at.v1, api_key=at.key, max_retries=0)

    def connect() -> Any:
        return client.realtime.connect(model="standin-chat")

    def ask(connection: RealtimeConnection, content: str) -> Iterator[Any]:
        part = {"type": "input_text", "text": content}
        connection.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
        connection.response.create()
        for event in connection:
            yield event
            if event.type == "response.done":
                return

    def events(*contents: str, **session: Any) -> list[Any]:
        with connect() as connection:
            connection.session.update(session={"type": "realtime", "instructions": "Be brief.", **session})
            return [event for content in contents for event in ask(connection, content)]

    def plain() -> str:
        return "".join(event.delta for event in events(SAY) if event.type == "response.output_text.delta")

    def tools() -> Any:
        tool = {"type": "function", "name": TOOL["name"], "parameters": TOOL["input_schema"]}
        return events(USE_THE_TOOL, tools=[tool])[-1].response.output[0].to_dict()

    def error() -> Any:
        with connect() as connection:
            connection.send({"type": "nonsense.create", "event_id": "mine"})  # type: ignore[typeddict-item]
            said = next(event for event in connection if event.type == "error").error
            return said.code, said.param, said.event_id

    def break_off() -> str:
        with connect() as connection:
            return next(ask(connection, SAY)).type

    return {
        "plain": plain,
        "stream": lambda: [event.to_dict() for event in events(SAY, "and again")],
        "tools": tools,
        "error": error,
        "break off": break_off,
        "refusal": lambda: outcome(lambda: events(CARD)),
    }


report("openai", cases)

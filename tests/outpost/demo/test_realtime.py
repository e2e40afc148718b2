"""The stand-in's realtime session: OpenAI's own types read its events, and the texts add up."""

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from outpost.demo.realtime import Session

EVENTS = TypeAdapter(RealtimeServerEvent)
TOOL = {"type": "function", "name": "weather", "description": "", "parameters": {"type": "object", "properties": {}}}


def say(text):
    content = [{"type": "input_text", "text": text}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}


def run(*events):
    session = Session("m")
    said = [*session.opened()]
    for event in events:
        said += session.answered(event)
    for event in said:
        EVENTS.validate_python(event)
    return said


def test_a_text_is_echoed_in_pieces_and_whole():
    said = run(say("hello there"), {"type": "response.create"})
    deltas = "".join(event["delta"] for event in said if event["type"] == "response.output_text.delta")
    assert deltas == "You said: hello there"
    assert said[-1]["response"]["output"][0]["content"][0]["text"] == deltas
    assert said[-1]["response"]["status"] == "completed"


def test_a_tool_is_called_and_its_answer_read():
    update = {"type": "session.update", "session": {"type": "realtime", "tools": [TOOL]}}
    said = run(update, say("use the tool"), {"type": "response.create"})
    item = said[-1]["response"]["output"][0]
    assert (item["type"], item["name"]) == ("function_call", "weather")
    output = {"type": "function_call_output", "call_id": item["call_id"], "output": "sunny"}
    said = run({"type": "conversation.item.create", "item": output}, {"type": "response.create"})
    assert said[-1]["response"]["output"][0]["content"][0]["text"] == "The tool said: sunny"


def test_an_unknown_event_is_an_error_and_ends_nothing():
    said = run({"type": "nonsense", "event_id": "e1"}, say("hello"))
    assert said[1]["type"] == "error"
    assert said[1]["error"]["event_id"] == "e1"
    assert said[-1]["type"] == "conversation.item.done"

"""What the stand-in says on OpenAI's other surfaces: responses, completions, embeddings and moderations. Pure.

Echoes as in ``answers.py``, which also makes the text: a request is read as a chat of one user message.
Shapes: https://platform.openai.com/docs/api-reference/responses (object, streaming), completions, embeddings,
moderations.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

from outpost.demo import answers
from outpost.demo.answers import DELTA_CHARACTERS, Answer, ChatRequest, InvalidChat, Json, Stamp

COMPONENTS = 64  # of an embedding
CATEGORIES = ("hate", "hate/threatening", "violence")
TOOL_ITEM = "function_call_output"


def read(body: bytes, *members: str) -> tuple[Json, ChatRequest]:
    """A request's fields, and the chat that asks the same; ``members`` hold its text, the first that is there.

    Raises:
        InvalidChat: It is not JSON, or names no model.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise InvalidChat("We could not parse the JSON body of your request.") from err
    if not isinstance(fields, dict):
        raise InvalidChat("The body must be a JSON object.")
    given = next((fields[name] for name in members if fields.get(name)), "")
    chat = {
        "model": fields.get("model", "omni-moderation-latest"),
        "messages": [_message(given)],
        "stream": fields.get("stream") is True,
        "stream_options": fields.get("stream_options"),
        "tools": [{"type": "function", "function": tool} for tool in _objects(fields.get("tools"))],
        "n": fields.get("n"),
    }
    return fields, answers.parse_chat(json.dumps(chat).encode())


def response(fields: Json, chat: ChatRequest, body: bytes) -> Json:
    """The ``response`` object."""
    said = answers.answer(chat)
    digest = hashlib.sha256(body).hexdigest()
    counted = answers.usage(chat, said)
    return {
        "id": f"resp_{digest[:48]}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": fields.get("instructions"),
        "metadata": fields.get("metadata") or {},
        "model": chat.model,
        "output": list(_items(said, digest)),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": fields.get("tools") or [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": counted["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": counted["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": counted["total_tokens"],
        },
    }


def response_events(whole: Json) -> Iterator[Json]:
    """The events of a streamed response, each with its number."""
    for number, event in enumerate(_events(whole)):
        yield event | {"sequence_number": number}


def frame(event: Json) -> bytes:
    """One server-sent event with its name, as this API frames it."""
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + answers.encode(event) + b"\n\n"


def completion(chat: ChatRequest, stamp: Stamp) -> Json:
    """The ``text_completion`` object."""
    said = answers.answer(chat)
    choices = [_choice(index, said.text or "", said.finish_reason) for index in range(chat.n)]
    return _completion(chat, stamp, choices) | {"usage": answers.usage(chat, said)}


def completion_chunks(chat: ChatRequest, stamp: Stamp) -> Iterator[Json]:
    """The chunks of a streamed completion."""
    said = answers.answer(chat)
    for piece in _pieces(said.text or ""):
        yield _completion(chat, stamp, [_choice(0, piece, None)])
    yield _completion(chat, stamp, [_choice(0, "", said.finish_reason)])


def embeddings(fields: Json) -> Json:
    """One vector per input, from its digest; numbers, or base64 of floats if that was asked for."""
    given = fields.get("input")
    texts = given if isinstance(given, list) else [given]
    vectors = [_vector(json.dumps(text)) for text in texts]
    if fields.get("encoding_format") == "base64":
        made: list[Any] = [base64.b64encode(struct.pack(f"<{COMPONENTS}f", *vector)).decode() for vector in vectors]
    else:
        made = list(vectors)
    length = sum(len(str(text)) for text in texts)
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(made)],
        "model": fields.get("model"),
        "usage": {"prompt_tokens": length, "total_tokens": length},
    }


def file_object(stamp: Stamp, size: int) -> Json:
    """What an upload of ``size`` bytes is answered with."""
    return {
        "id": stamp.completion_id.replace("chatcmpl-", "file-"),
        "object": "file",
        "bytes": size,
        "created_at": stamp.created,
        "filename": "upload",
        "purpose": "user_data",
        "status": "processed",
    }


def moderation(fields: Json, body: bytes) -> Json:
    """One judgement per input: nothing is ever flagged."""
    given = fields.get("input")
    count = len(given) if isinstance(given, list) else 1
    judged = {
        "flagged": False,
        "categories": dict.fromkeys(CATEGORIES, False),
        "category_scores": dict.fromkeys(CATEGORIES, 0.0001234567890123),
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }
    return {
        "id": f"modr-{hashlib.sha256(body).hexdigest()[:24]}",
        "model": fields.get("model") or "omni-moderation-latest",
        "results": [judged] * count,
    }


def _message(given: Any) -> Json:
    """The last of what a request says, as a message of a chat."""
    last = given[-1] if isinstance(given, list) and given else given
    if not isinstance(last, dict):
        return {"role": "user", "content": last if isinstance(last, str) else ""}
    if last.get("type") == TOOL_ITEM:
        return {"role": "tool", "content": last.get("output")}
    return {"role": last.get("role", "user"), "content": last.get("content", last.get("text"))}


def _items(said: Answer, digest: str) -> Iterator[Json]:
    if said.text is not None:
        part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        yield {
            "id": f"msg_{digest[:48]}",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
    for call in said.tool_calls:
        yield {
            "id": f"fc_{digest[:48]}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        }


def _events(whole: Json) -> Iterator[Json]:
    begin = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begin}
    yield {"type": "response.in_progress", "response": begin}
    for index, item in enumerate(whole["output"]):
        empty: Json = {"content": []} if item["type"] == "message" else {"arguments": ""}
        empty = {**item, "status": "in_progress", **empty}
        yield {"type": "response.output_item.added", "output_index": index, "item": empty}
        place = {"item_id": item["id"], "output_index": index}
        yield from _text_events(item, place) if item["type"] == "message" else _call_events(item, place)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": whole}


def _text_events(item: Json, place: Json) -> Iterator[Json]:
    for index, part in enumerate(item["content"]):
        at = place | {"content_index": index}
        yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
        for piece in _pieces(part["text"]):
            yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **at, "part": part}


def _call_events(item: Json, place: Json) -> Iterator[Json]:
    for piece in _pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    said = {"name": item["name"], "arguments": item["arguments"]}
    yield {"type": "response.function_call_arguments.done", **place, **said}


def _completion(chat: ChatRequest, stamp: Stamp, choices: list[Json]) -> Json:
    return {
        "id": stamp.completion_id.replace("chatcmpl", "cmpl"),
        "object": "text_completion",
        "created": stamp.created,
        "model": chat.model,
        "choices": choices,
    }


def _choice(index: int, text: str, finish_reason: str | None) -> Json:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def _vector(text: str) -> list[float]:
    digest = hashlib.sha512(text.encode("utf-8", "replace")).digest()
    return [(byte - 127) / 128 for byte in digest[:COMPONENTS]]


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), DELTA_CHARACTERS):
        yield text[start : start + DELTA_CHARACTERS]


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []

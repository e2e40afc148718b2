"""How the stand-in provider breaks when a model name asks for it.

Each fault is what a real provider, or the network before it, has been seen to do: refuse with an error body
that repeats the key, stall or vanish in the middle of an answer, answer with something that is not JSON, or
never stop. Error bodies carry ``MARKER``, so that a test can prove that none is passed on verbatim.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from aiohttp import web

from outpost.demo import answers
from outpost.demo.answers import Answer, ChatRequest, Json, Stamp
from outpost.demo.responses import headers, json_answer, open_stream

MARKER = "standin-marker-5f1c9d"
CHUNKS_BEFORE_BREAKING = 3  # the role and two deltas: the client has seen the answer begin
HUGE_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Faulty:
    """One request that is to be answered badly."""

    request: web.Request
    chat: ChatRequest
    stamp: Stamp
    key: str
    slow_s: float
    huge_bytes: int

    @property
    def said(self) -> Answer:
        return answers.answer(self.chat)

    def whole_body(self) -> bytes:
        return answers.encode(answers.completion(self.chat, self.said, self.stamp), 2)

    def refusal(self, status: int, body: Json, **more: str) -> web.Response:
        response = json_answer(status, body, self.stamp)
        for name, value in more.items():
            response.headers[name.replace("_", "-")] = value
        return response


def incorrect_key(key: str) -> Json:
    """A 401 body that repeats the key, as some providers' do."""
    text = f"Incorrect API key provided: {key}. {MARKER}"
    return answers.error_body(text, "invalid_request_error", "invalid_api_key")


def model_not_found(name: str) -> Json:
    text = f"The model '{name}' does not exist or you do not have access to it."
    return answers.error_body(text, "invalid_request_error", "model_not_found", "model")


async def _refuse_key(faulty: Faulty) -> web.StreamResponse:
    return faulty.refusal(401, incorrect_key(faulty.key))


async def _unknown_model(faulty: Faulty) -> web.StreamResponse:
    return faulty.refusal(404, model_not_found(faulty.chat.model))


async def _rate_limit(faulty: Faulty) -> web.StreamResponse:
    text = f"Rate limit reached for key {faulty.key}. {MARKER}"
    body = answers.error_body(text, "requests", "rate_limit_exceeded")
    return faulty.refusal(429, body, retry_after="7", x_ratelimit_remaining_requests="0")


async def _server_error(faulty: Faulty) -> web.StreamResponse:
    text = f"The server had an error processing your request with key {faulty.key}. {MARKER}"
    return faulty.refusal(500, answers.error_body(text, "server_error"))


async def _not_json(faulty: Faulty) -> web.StreamResponse:
    """Success by status and type, HTML by content (a captive proxy); in a stream, a frame that is not JSON."""
    page = f"<html><body>{MARKER}</body></html>"
    if not faulty.chat.stream:
        return web.Response(text=page, headers=headers(faulty.stamp), content_type="application/json")
    response = await open_stream(faulty.request, faulty.stamp)
    await _begin(response, faulty)
    await response.write(f"data: {page}\n\n".encode())
    await response.write(answers.DONE)
    await response.write_eof()
    return response


async def _error_event(faulty: Faulty) -> web.StreamResponse:
    """An error after the answer has begun, in the stream itself."""
    if not faulty.chat.stream:
        return await _server_error(faulty)
    response = await open_stream(faulty.request, faulty.stamp)
    await _begin(response, faulty)
    body = answers.error_body(f"Overloaded while serving {faulty.key}. {MARKER}", "server_error")
    await response.write(answers.frame(body))
    await response.write_eof()
    return response


async def _slow(faulty: Faulty) -> web.StreamResponse:
    """A good answer, late."""
    await asyncio.sleep(faulty.slow_s)
    if not faulty.chat.stream:
        return json_answer(200, answers.completion(faulty.chat, faulty.said, faulty.stamp), faulty.stamp)
    response = await open_stream(faulty.request, faulty.stamp)
    for chunk in answers.chunks(faulty.chat, faulty.said, faulty.stamp):
        await response.write(answers.frame(chunk))
    await response.write(answers.DONE)
    await response.write_eof()
    return response


async def _stall(faulty: Faulty) -> web.StreamResponse:
    """Begin, then say nothing more until the other end goes away."""
    response = await _half(faulty)
    await asyncio.Event().wait()
    return response


async def _reset(faulty: Faulty) -> web.StreamResponse:
    """Begin, then drop the connection without an end."""
    response = await _half(faulty)
    if faulty.request.transport is not None:
        faulty.request.transport.abort()
    return response


async def _cut(faulty: Faulty) -> web.StreamResponse:
    """End an event stream properly, but in the middle: no finish reason, no ``[DONE]``."""
    response = await _half(faulty)
    if faulty.chat.stream:
        await response.write_eof()
    elif faulty.request.transport is not None:
        faulty.request.transport.close()
    return response


async def _huge(faulty: Faulty) -> web.StreamResponse:
    """One string that goes on for ``huge_bytes``: in a plain answer, or in a single event without a line end."""
    piece = b"x" * HUGE_PIECE_BYTES
    if faulty.chat.stream:
        response = await open_stream(faulty.request, faulty.stamp)
        before, after = b'data: {"id":"', b'"}\n\n' + answers.DONE
    else:
        response = web.StreamResponse(headers=headers(faulty.stamp))
        response.content_type = "application/json"
        await response.prepare(faulty.request)
        before, after = b'{"id":"', b'"}'
    await response.write(before)
    for _ in range(faulty.huge_bytes // HUGE_PIECE_BYTES):
        await response.write(piece)
    await response.write(after)
    await response.write_eof()
    return response


async def _gzip(faulty: Faulty) -> web.StreamResponse:
    """A good plain answer, compressed even if nobody asked for it."""
    response = json_answer(200, answers.completion(faulty.chat, faulty.said, faulty.stamp), faulty.stamp)
    response.enable_compression(web.ContentCoding.gzip)
    return response


async def _half(faulty: Faulty) -> web.StreamResponse:
    if faulty.chat.stream:
        response = await open_stream(faulty.request, faulty.stamp)
        await _begin(response, faulty)
        return response
    body = faulty.whole_body()
    response = web.StreamResponse(headers=headers(faulty.stamp))
    response.content_type = "application/json"
    response.content_length = len(body)
    await response.prepare(faulty.request)
    await response.write(body[: len(body) // 2])
    return response


async def _begin(response: web.StreamResponse, faulty: Faulty) -> None:
    for chunk in islice(answers.chunks(faulty.chat, faulty.said, faulty.stamp), CHUNKS_BEFORE_BREAKING):
        await response.write(answers.frame(chunk))


FAULTS: Mapping[str, Callable[[Faulty], Awaitable[web.StreamResponse]]] = {
    "standin-401": _refuse_key,
    "standin-404": _unknown_model,
    "standin-429": _rate_limit,
    "standin-500": _server_error,
    "standin-notjson": _not_json,
    "standin-error-event": _error_event,
    "standin-slow": _slow,
    "standin-stall": _stall,
    "standin-reset": _reset,
    "standin-cut": _cut,
    "standin-huge": _huge,
    "standin-gzip": _gzip,
}
"""Model name -> what happens."""

"""The HTTP side of the stand-in's answers: OpenAI's headers, JSON bodies, and the head of an event stream."""

from aiohttp import web
from multidict import CIMultiDict

from outpost.demo import answers
from outpost.demo.answers import Json, Stamp

JSON_INDENT = 2  # OpenAI indents plain answers


def headers(stamp: Stamp) -> CIMultiDict[str]:
    """What OpenAI sends with every answer and clients look at."""
    return CIMultiDict(
        {
            "x-request-id": stamp.request_id,
            "openai-processing-ms": "1",
            "openai-version": "2020-10-01",
            "openai-organization": "standin",
        }
    )


def json_answer(status: int, body: Json, stamp: Stamp) -> web.Response:
    return web.Response(
        status=status,
        body=answers.encode(body, JSON_INDENT),
        headers=headers(stamp),
        content_type="application/json",
    )


async def open_stream(request: web.Request, stamp: Stamp) -> web.StreamResponse:
    """Send the head of an event stream."""
    response = web.StreamResponse(headers=headers(stamp))
    response.content_type = "text/event-stream"
    response.charset = "utf-8"
    response.headers["Cache-Control"] = "no-cache"
    await response.prepare(request)
    return response


def bearer(request: web.Request) -> str | None:
    """The key in ``Authorization: Bearer``, if there is one."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None

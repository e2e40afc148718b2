"""A stand-in provider that speaks OpenAI's and Anthropic's APIs on loopback, for the demo, tests and trying out.

It records what reaches it, so that one can look at what a provider would have seen
(``GET /standin/requests``), and breaks on demand: a model name of ``FAULTS`` selects how. It is a test
instrument, not part of the product's path, and keeps what it records in memory only, unless ``--record`` names a file.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from outpost.demo import answers, faults, messages, openai_others, realtime
from outpost.demo.answers import ChatRequest, InvalidChat, Json, Stamp
from outpost.demo.responses import bearer, json_answer, open_stream
from outpost.proxy.multipart import parse_form

MODELS = ("standin-chat", "standin-mini", "standin-vision")
"""Listed by ``/v1/models``. Chat completions answer any model name but those of ``faults.FAULTS``."""

MODELS_CREATED = 1_700_000_000
MAX_BODY_BYTES = 64 * 1024 * 1024  # above the outpost's own largest limit, so that a leak of size would show
MAX_RECORDED_REQUESTS = 512
MAX_RECORDED_BODY_BYTES = 1024 * 1024  # per request; the rest is cut and marked so
MAX_FILES = 64
KEY_VARIABLE = "STANDIN_API_KEY"


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it arrived, headers in order and body byte for byte (up to a limit)."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: bool = False

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def as_json(self) -> Json:
        return {
            "method": self.method,
            "path": self.path,
            "headers": [list(pair) for pair in self.headers],
            "body": self.body.decode("utf-8", "replace"),
            "cut": self.cut,
        }


@dataclass(frozen=True, slots=True)
class StandinOptions:
    """How the stand-in behaves.

    Attributes:
        deterministic: Ids and times depend on the request's bytes alone, so that answers can be compared.
        api_key: The only key accepted; ``None`` accepts any.
        delay_s: Pause between two chunks of a stream.
        slow_s: How long the model ``standin-slow`` thinks before its first byte.
        huge_bytes: How long the answer of the model ``standin-huge`` is.
        record_to: Each received request is appended here as one JSON line.
    """

    deterministic: bool = False
    api_key: str | None = None
    delay_s: float = 0.0
    slow_s: float = 2.0
    huge_bytes: int = 64 * 1024 * 1024
    record_to: Path | None = None


@dataclass(slots=True)
class Standin:
    """State of one stand-in provider: what it received and how often."""

    options: StandinOptions
    requests: deque[ReceivedRequest] = field(default_factory=lambda: deque(maxlen=MAX_RECORDED_REQUESTS))
    stats: Counter[str] = field(default_factory=Counter)
    files: dict[str, tuple[Json, bytes]] = field(default_factory=dict)

    def record(self, request: web.Request, body: bytes) -> None:
        self.stats["requests"] += 1
        self.stats[f"requests {request.method} {request.path}"] += 1
        self.stats["body_bytes"] += len(body)
        received = ReceivedRequest(
            method=request.method,
            path=request.raw_path,
            headers=tuple(request.headers.items()),
            body=body[:MAX_RECORDED_BODY_BYTES],
            cut=len(body) > MAX_RECORDED_BODY_BYTES,
        )
        self.requests.append(received)
        if self.options.record_to is not None:
            with self.options.record_to.open("ab") as file:
                file.write(json.dumps(received.as_json()).encode() + b"\n")

    def stamp(self, body: bytes) -> Stamp:
        if self.options.deterministic:
            return answers.deterministic_stamp(body)
        return Stamp(
            completion_id=f"chatcmpl-{secrets.token_hex(14)}",
            request_id=f"req_{secrets.token_hex(16)}",
            created=int(datetime.now(UTC).timestamp()),
        )

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """``POST /v1/chat/completions``."""
        body = await request.read()
        self.record(request, body)
        stamp = self.stamp(body)
        if (refused := self._check_key(request, stamp)) is not None:
            return refused
        try:
            chat = answers.parse_chat(body)
        except InvalidChat as err:
            return json_answer(400, answers.error_body(err.message, "invalid_request_error", None, err.param), stamp)
        self.stats["streams" if chat.stream else "plain"] += 1
        fault = faults.FAULTS.get(chat.model)
        if fault is not None:
            key = bearer(request) or ""
            return await fault(faults.Faulty(request, chat, stamp, key, self.options.slow_s, self.options.huge_bytes))
        said = answers.answer(chat)
        if not chat.stream:
            return json_answer(200, answers.completion(chat, said, stamp), stamp)
        response = await open_stream(request, stamp)
        for chunk in answers.chunks(chat, said, stamp):
            await response.write(answers.frame(chunk))
            if self.options.delay_s:
                await asyncio.sleep(self.options.delay_s)
        await response.write(answers.DONE)
        await response.write_eof()
        return response

    async def responses(self, request: web.Request) -> web.StreamResponse:
        """``POST /v1/responses``."""

        def answer(fields: Json, chat: ChatRequest, body: bytes) -> tuple[Json, list[bytes]]:
            whole = openai_others.response(fields, chat, body)
            return whole, [openai_others.frame(event) for event in openai_others.response_events(whole)]

        return await self._other(request, ("input",), answer)

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """``POST /v1/completions``."""

        def answer(_: Json, chat: ChatRequest, body: bytes) -> tuple[Json, list[bytes]]:
            stamp = self.stamp(body)
            chunks = [answers.frame(chunk) for chunk in openai_others.completion_chunks(chat, stamp)]
            return openai_others.completion(chat, stamp), [*chunks, answers.DONE]

        return await self._other(request, ("prompt",), answer)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        """``POST /v1/embeddings``."""
        return await self._other(request, (), lambda fields, _, __: (openai_others.embeddings(fields), []))

    async def moderations(self, request: web.Request) -> web.StreamResponse:
        """``POST /v1/moderations``."""
        return await self._other(request, (), lambda fields, _, body: (openai_others.moderation(fields, body), []))

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """``POST /v1/files``: the file object; the file is kept, and the oldest forgotten beyond ``MAX_FILES``."""
        body = await request.read()
        self.record(request, body)
        stamp = self.stamp(request.path.encode() + body)
        if (refused := self._check_key(request, stamp)) is not None:
            return refused
        sent = {part.name: part for part in parse_form(request.headers.get("Content-Type", ""), body)}
        made = openai_others.file_object(stamp, len(sent["file"].data))
        made |= {"filename": sent["file"].filename, "purpose": sent["purpose"].data.decode()}
        self.files[made["id"]] = (made, sent["file"].data)
        if len(self.files) > MAX_FILES:
            del self.files[next(iter(self.files))]
        return json_answer(200, made, stamp)

    async def list_files(self, request: web.Request) -> web.StreamResponse:
        """``GET /v1/files``."""
        stamp = await self._plain(request)
        refused = self._check_key(request, stamp)
        whole = {"object": "list", "data": [made for made, _ in self.files.values()], "has_more": False}
        return refused or json_answer(200, whole, stamp)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """``GET`` and ``DELETE /v1/files/{id}``, and its content."""
        stamp = await self._plain(request)
        if (refused := self._check_key(request, stamp)) is not None:
            return refused
        made, data = self.files.get(request.match_info["id"], (None, b""))
        if made is None:
            error = answers.error_body("No such File object", "invalid_request_error", None, "id")
            return json_answer(404, error, stamp)
        if request.method == "DELETE":
            del self.files[made["id"]]
            return json_answer(200, {"id": made["id"], "object": "file", "deleted": True}, stamp)
        if request.path.endswith("/content"):
            return web.Response(body=data, content_type="application/octet-stream")
        return json_answer(200, made, stamp)

    async def realtime(self, request: web.Request) -> web.StreamResponse:
        """``GET /v1/realtime``: a WebSocket; each event that comes is recorded like a request."""
        stamp = await self._plain(request)
        if (refused := self._check_key(request, stamp)) is not None:
            return refused
        socket = web.WebSocketResponse(protocols=("realtime",), compress=False)
        await socket.prepare(request)
        session = realtime.Session(request.query.get("model", ""))
        for event in session.opened():
            await socket.send_json(event)
        async for message in socket:
            if message.type is not web.WSMsgType.TEXT:
                break
            self.record(request, message.data.encode())
            for event in session.answered(json.loads(message.data)):
                await socket.send_json(event)
                if self.options.delay_s:
                    await asyncio.sleep(self.options.delay_s)
        return socket

    async def _other(
        self,
        request: web.Request,
        members: tuple[str, ...],
        answer: Callable[[Json, ChatRequest, bytes], tuple[Json, list[bytes]]],
    ) -> web.StreamResponse:
        body = await request.read()
        self.record(request, body)
        stamp = self.stamp(body)
        if (refused := self._check_key(request, stamp)) is not None:
            return refused
        try:
            fields, chat = openai_others.read(body, *members)
        except InvalidChat as err:
            return json_answer(400, answers.error_body(err.message, "invalid_request_error", None, err.param), stamp)
        whole, frames = answer(fields, chat, body)
        if not chat.stream or not frames:
            return json_answer(200, whole, stamp)
        response = await open_stream(request, stamp)
        for one in frames:
            await response.write(one)
            if self.options.delay_s:
                await asyncio.sleep(self.options.delay_s)
        await response.write_eof()
        return response

    async def messages(self, request: web.Request) -> web.StreamResponse:
        """``POST /v1/messages``."""
        body = await request.read()
        self.record(request, body)
        if (refused := self._check_anthropic(request)) is not None:
            return refused
        try:
            asked = messages.parse_messages(body)
        except InvalidChat as err:
            return _anthropic(400, messages.error_body("invalid_request_error", err.message))
        if asked.model == messages.OVERLOADED_MODEL:
            return _anthropic(529, messages.error_body("overloaded_error", f"Overloaded {faults.MARKER}"))
        if asked.model == messages.SLOW_MODEL:
            await asyncio.sleep(self.options.slow_s)
        if not asked.stream:
            return _anthropic(200, messages.message(asked, body))
        response = await open_stream(request, self.stamp(body))
        for event in messages.events(asked, body):
            await response.write(messages.frame(event))
            if self.options.delay_s:
                await asyncio.sleep(self.options.delay_s)
        await response.write_eof()
        return response

    async def count_tokens(self, request: web.Request) -> web.StreamResponse:
        """``POST /v1/messages/count_tokens``."""
        body = await request.read()
        self.record(request, body)
        if (refused := self._check_anthropic(request)) is not None:
            return refused
        try:
            asked = messages.parse_messages(body)
        except InvalidChat as err:
            return _anthropic(400, messages.error_body("invalid_request_error", err.message))
        return _anthropic(200, {"input_tokens": messages.input_tokens(asked)})

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        """``GET /v1/models``, in Anthropic's shape for its clients."""
        stamp = await self._plain(request)
        if "anthropic-version" in request.headers:
            listed = [messages.model(name) for name in MODELS]
            page = {"data": listed, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
            return self._check_anthropic(request) or _anthropic(200, page)
        refused = self._check_key(request, stamp)
        return refused or json_answer(200, {"object": "list", "data": [_model(name) for name in MODELS]}, stamp)

    async def get_model(self, request: web.Request) -> web.StreamResponse:
        """``GET /v1/models/{id}``."""
        stamp = await self._plain(request)
        if (refused := self._check_key(request, stamp)) is not None:
            return refused
        name = request.match_info["name"]
        if name in MODELS:
            return json_answer(200, _model(name), stamp)
        return json_answer(404, faults.model_not_found(name), stamp)

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """Everything else, answered as OpenAI answers a wrong path."""
        stamp = await self._plain(request)
        message = f"Invalid URL ({request.method} {request.path})"
        return json_answer(404, answers.error_body(message, "invalid_request_error"), stamp)

    async def show_requests(self, _: web.Request) -> web.Response:
        return web.json_response({"requests": [one.as_json() for one in self.requests]})

    async def clear_requests(self, _: web.Request) -> web.Response:
        self.requests.clear()
        return web.Response(status=204)

    async def show_stats(self, _: web.Request) -> web.Response:
        return web.json_response(dict(self.stats))

    async def _plain(self, request: web.Request) -> Stamp:
        body = await request.read()
        self.record(request, body)
        return self.stamp(request.path.encode() + body)

    def _check_key(self, request: web.Request, stamp: Stamp) -> web.Response | None:
        key = bearer(request)
        if key is None:
            text = "You didn't provide an API key."
            return json_answer(401, answers.error_body(text, "invalid_request_error"), stamp)
        if self.options.api_key is not None and not secrets.compare_digest(key.encode(), self.options.api_key.encode()):
            return json_answer(401, faults.incorrect_key(key), stamp)
        return None

    def _check_anthropic(self, request: web.Request) -> web.Response | None:
        """Anthropic's two obligatory headers; newer clients send the key as a bearer token."""
        key = request.headers.get("x-api-key") or bearer(request) or ""
        wanted = key if self.options.api_key is None else self.options.api_key
        if not key or not secrets.compare_digest(key.encode(), wanted.encode()):
            return _anthropic(401, messages.error_body("authentication_error", f"invalid x-api-key {key}"))
        if "anthropic-version" not in request.headers:
            return _anthropic(
                400, messages.error_body("invalid_request_error", "anthropic-version: header is required")
            )
        return None


def _anthropic(status: int, body: Json) -> web.Response:
    return web.Response(status=status, body=answers.encode(body), content_type="application/json")


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": MODELS_CREATED, "owned_by": "standin"}


STANDIN: web.AppKey[Standin] = web.AppKey("standin", Standin)


def make_app(options: StandinOptions | None = None) -> web.Application:
    """The stand-in as an application; ``app[STANDIN]`` is its state."""
    standin = Standin(options or StandinOptions())
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[STANDIN] = standin
    app.router.add_post("/v1/chat/completions", standin.chat)
    app.router.add_post("/v1/responses", standin.responses)
    app.router.add_post("/v1/completions", standin.completions)
    app.router.add_post("/v1/embeddings", standin.embeddings)
    app.router.add_post("/v1/moderations", standin.moderations)
    app.router.add_post("/v1/files", standin.upload)
    app.router.add_get("/v1/files", standin.list_files)
    app.router.add_get("/v1/files/{id}", standin.file)
    app.router.add_delete("/v1/files/{id}", standin.file)
    app.router.add_get("/v1/files/{id}/content", standin.file)
    app.router.add_post("/v1/messages", standin.messages)
    app.router.add_post("/v1/messages/count_tokens", standin.count_tokens)
    app.router.add_get("/v1/realtime", standin.realtime)
    app.router.add_get("/v1/models", standin.list_models)
    app.router.add_get("/v1/models/{name:.+}", standin.get_model)
    app.router.add_get("/standin/requests", standin.show_requests)
    app.router.add_delete("/standin/requests", standin.clear_requests)
    app.router.add_get("/standin/stats", standin.show_stats)
    app.router.add_route("*", "/{rest:.*}", standin.unknown)
    return app


async def serve(host: str, port: int, options: StandinOptions, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is given the base URL once the socket listens."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Handlers that stall on purpose must not hold up the end.
    runner = web.AppRunner(make_app(options), access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        ready(f"http://{host}:{runner.addresses[0][1]}")
        await stop.wait()
    finally:
        await runner.cleanup()


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: ``python -m outpost.demo.provider --port 0``. The only key accepted may be given by variable."""
    parser = argparse.ArgumentParser(description="A stand-in provider that speaks OpenAI's and Anthropic's APIs.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--record", type=Path, help="append each received request to this file, one JSON per line")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="pause between two chunks of a stream")
    parser.add_argument("--deterministic", action="store_true", help="ids and times depend on the request alone")
    given = parser.parse_args(arguments)
    options = StandinOptions(
        deterministic=given.deterministic,
        api_key=os.environ.get(KEY_VARIABLE) or None,
        delay_s=given.delay_ms / 1000,
        record_to=given.record,
    )

    def ready(url: str) -> None:
        sys.stdout.write(f"listening on {url}\n")
        sys.stdout.flush()

    asyncio.run(serve(given.host, given.port, options, ready))


if __name__ == "__main__":
    main()

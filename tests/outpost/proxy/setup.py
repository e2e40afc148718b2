"""What the tests of the proxy ask, say as a provider, and look for afterwards."""

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager

from prometheus_client import generate_latest

from outpost.dlp.engine import default_engine
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.routing import Provider, RoutingDocument
from tests.architecture.repository import documented_statuses
from tests.fakes.upstream import UPSTREAM_KEY

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
CARD = "4111 1111 1111 1111"
EMAIL = "erika.mustermann@example.org"


def policy(action=None, kinds=("*",), directions=("input", "output"), default="ALLOW"):
    """One rule for findings of ``kinds``, or no rule without an ``action``."""
    when = {"findings": list(kinds), "directions": list(directions)}
    rules = [] if action is None else [{"id": "rule", "sequence": 1, "when": when, "action": action}]
    packs = [{"id": "p", "sequence": 1, "combining": "deny_overrides", "default": default, "rules": rules}]
    return PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs}))


def restoring(*kinds):
    """Findings of ``kinds`` in requests are replaced by names, which are put back in answers; all else is allowed."""
    when = {"findings": list(kinds), "directions": ["input"]}
    rule = {"id": "rule", "sequence": 1, "when": when, "action": "REDACT", "redaction": "restore"}
    packs = [{"id": "p", "sequence": 1, "combining": "deny_overrides", "default": "ALLOW", "rules": [rule]}]
    return PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs}))


def routing(base_url, models=("*",)):
    providers = [
        Provider(id="standin", surface="openai", base_url=base_url, models=list(models)),
        Provider(id="standin-a", surface="anthropic", base_url=base_url, models=list(models)),
    ]
    return RoutingDocument(schema_version="1", providers=providers)


def chat(content="hello", model="standin-chat", **more):
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


async def upload(client, data=b"all work and no play", name="a.txt", purpose="user_data"):
    """Upload a file as OpenAI's client does; its id."""
    response = await client.post("/v1/files", files={"file": (name, data, "text/plain")}, data={"purpose": purpose})
    assert response.status_code == 200, response.text
    return response.json()["id"]


def port_of(running):
    return int(running.base_url.rsplit(":", 1)[1])


async def exchange_raw(running, sent, *, timeout_s=3.0):
    """Send bytes and read until the outpost closes; what came, and whether it closed in time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
    received = b""
    closed = False
    try:
        writer.write(sent)
        async with asyncio.timeout(timeout_s):
            while part := await reader.read(65_536):
                received += part
            closed = True
    except TimeoutError:
        pass
    except ConnectionResetError:
        closed = True
    finally:
        writer.transport.abort()
    return received, closed


@asynccontextmanager
async def provider_saying(raw, *, hold=False):
    """A provider that answers every request with ``raw``, then closes or says nothing more. Yields its URL and log."""
    seen = []
    gone = asyncio.Event()
    serving = {}

    async def serve(reader, writer):
        serving[asyncio.current_task()] = writer
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(raw)
            while hold and await reader.read(65_536):
                pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", seen, gone
    finally:
        server.close()
        for writer in serving.values():
            writer.transport.abort()
        if serving:
            await asyncio.wait(serving)


@asynccontextmanager
async def provider_keeping(raw, *, last=b"", together=1):
    """A provider that answers the first request of a connection with ``raw``, the second with ``last``, and closes it.

    The first ``together`` are answered when all of them are there. Yields its URL and the number of the connection of
    each request.
    """
    seen = []
    all_there = asyncio.Event()
    serving = {}

    async def serve(reader, writer):
        serving[asyncio.current_task()] = writer
        number = len(serving)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            for said in (raw, last):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
                seen.append(number)
                if number >= together:
                    all_there.set()
                await all_there.wait()
                writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", seen
    finally:
        server.close()
        for writer in serving.values():
            writer.transport.abort()
        if serving:
            await asyncio.wait(serving)


def answer(body, *headers, status="200 OK", kind="application/json"):
    """An HTTP answer as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def metrics_of(running):
    return generate_latest(running.metrics.registry).decode()


def counted(running, code, action="BLOCK", surface="openai.chat_completions"):
    """How many requests the metrics say ended so."""
    labels = {"surface": surface, "action": action, "code": code}
    return running.metrics.registry.get_sample_value("outpost_requests_total", labels) or 0


def everything_kept(running, printed=""):
    """All bytes an operator could find afterwards: audit files, metrics, output."""
    files = b"".join(path.read_bytes() for path in sorted(running.audit_path.parent.iterdir()) if path.is_file())
    return files + metrics_of(running).encode() + printed.encode()


def assert_kept_nowhere(running, printed="", texts=(CARD, EMAIL, UPSTREAM_KEY)):
    kept = everything_kept(running, printed)
    for text in (*texts, running.api_key):
        assert text.encode() not in kept


def error_of(response, status, code):
    """Check a refusal's shape; its error object."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    assert status in documented_statuses()[code], "docs/errors.md says otherwise"
    assert set(error) == {"message", "type", "param", "code"}
    assert len(response.headers["X-Request-Id"]) == 36
    for text in (CARD, EMAIL, UPSTREAM_KEY, "Traceback"):
        assert text not in response.text
        assert text not in str(response.headers)
    return error


class Broken:
    """An engine that fails on texts with ``word`` in them."""

    def __init__(self, fault, word):
        self.fault, self.word = fault, word
        self.detectors = default_engine().detectors

    def __getattr__(self, name):
        return getattr(default_engine(), name)

    def scan(self, text):
        self._check(text)
        return default_engine().scan(text)

    def read(self, text, begin=0):
        self._check(text)
        return default_engine().read(text, begin)

    def _check(self, text):
        if self.word in text:
            if self.fault is None:
                raise ValueError(f"cannot digest {text}")
            raise self.fault

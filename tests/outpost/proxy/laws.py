"""What the surfaces promise whatever they are sent, as checks; for the tests and for `make fuzz`.

``check_bytes`` holds every parser of untrusted bytes to its promise; ``Site`` holds a running outpost to its: it
answers or closes, with codes that are documented, it never fails, and what was planted never reaches the provider.
"""

import asyncio
import base64
import binascii
import contextlib
import html
import json
import random
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import httpx

from outpost.dlp.engine import Engine
from outpost.dlp.registry import ALL
from outpost.errors import Rejected
from outpost.protocol.decisions import Action, Decision
from outpost.proxy import sse
from outpost.proxy.json_document import Number, parse_json, replace_texts
from outpost.proxy.multipart import parse_form
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces.registry import SURFACES
from tests.architecture.repository import documented_statuses
from tests.fakes.outpost import RunningOutpost
from tests.fakes.upstream import Upstream
from tests.outpost.proxy.setup import counted, exchange_raw
from tests.outpost.proxy.surfaces.planting import CARD, EMAIL, merged, planted, request_leaves

PLANTED = {"pci.pan", "pii.email"}
_FORM = "multipart/form-data; boundary=b"
_DATA_URL = re.compile(r"data:[^,]{0,80};base64,([A-Za-z0-9+/=]+)")
_HTTP_TOKENS = (
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"\xff", b"0\r\n\r\n", b"\r\n\r\n", b"chunked", b"HTTP/1.0",
    b";a=b", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"-1",
    b"%0d%0a", b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"Host: y\r\n", b"Upgrade: websocket\r\n",
)  # fmt: skip
_BODY_TOKENS = (
    b'"', b"\\", b"\\u0040", b"\\ud800", b"{", b"}", b"[", b"]", b",", b"null", b"1e999", b"data: ", b"\n\n", b"[DONE]",
    b"event: error\n", b"--b", b"--b--",
)  # fmt: skip
TOKENS = (*_HTTP_TOKENS, *_BODY_TOKENS)


def mutated(rng: random.Random, raw: bytes, most: int = 4) -> bytes:
    """``raw`` with a few places changed."""
    data = bytearray(raw)
    for _ in range(rng.randint(0, most)):
        at, to = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
        way = rng.randrange(5)
        if way == 0:
            data[at:at] = rng.choice(TOKENS)
        elif way == 1:
            data[at : min(to, at + 20)] = b""
        elif way == 2:
            data[at:at] = data[at : min(to, at + 200)]
        elif way == 3 and at < len(data):
            data[at] = rng.randrange(256)
        else:
            data[at : min(to, at + 3)] = rng.choice(TOKENS)
    return bytes(data)


# Parsers


def seeds(rng: random.Random) -> bytes:
    """A form, a document or a stream of events, somewhat broken."""
    secret = rng.choice((CARD, EMAIL))
    cut = rng.randrange(len(secret))
    deltas = [f"x {secret[:cut]}", f"{secret[cut:]} y"]
    events = [{"choices": [{"index": 0, "delta": {"content": delta}}]} for delta in deltas]
    texts = [
        b"".join(b"data: " + spelled(rng, event) + b"\n\n" for event in events) + b"data: [DONE]\n\n",
        spelled(rng, {"model": "m", "messages": [{"role": "user", "content": secret}], "x": [1, None, {"y": secret}]}),
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
        + secret.encode()
        + b"\r\n--b--\r\n",
    ]
    return mutated(rng, rng.choice(texts))


def check_bytes(engine: Engine, data: bytes, cuts: list[int]) -> None:
    """Every parser takes any bytes or refuses them; nothing else may come out, and no secret of a stream."""
    with contextlib.suppress(Rejected):
        form = parse_form(_FORM, data)
        assert sum(len(part.data) for part in form) < len(data)
    with contextlib.suppress(Rejected):
        document = parse_json(data)
        json.loads(data)  # whatever we take, the provider's parser takes
        again = parse_json(replace_texts(document.raw, {}))
        assert json.dumps(again.value, default=_as_written) == json.dumps(document.value, default=_as_written)
    for surface in SURFACES.values():
        for parse in (surface.parse_request, surface.parse_answer):
            with contextlib.suppress(Rejected):
                parse(data)
        if surface.stream is not None:
            _check_stream(engine, surface, data, cuts)


def _as_written(number: Number) -> str:
    return number.text


def _check_stream(engine: Engine, surface: Any, data: bytes, cuts: list[int]) -> None:
    def decide(findings: Any) -> Decision:
        return Decision(Action.BLOCK if findings else Action.ALLOW, "r", "")

    inspector = StreamInspector(engine, decide, surface.stream())
    reader = sse.EventReader(named=surface.named_events)
    out: list[bytes] = []
    with contextlib.suppress(Rejected):
        places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        for start, end in pairwise(places):
            for event in reader.feed(data[start:end]):
                out += inspector.feed(event)
        if not reader.rest():
            out += inspector.finish()
    if surface.path != PATHS[0]:
        return  # the events of the seeds are a chat's: another surface's clients join other members
    for seen in _texts_of(b"".join(out)):
        assert not held_secret(engine, seen)


def _texts_of(stream: bytes) -> Iterable[str]:
    """What a client of a chat joins, of each choice."""
    texts: dict[Any, str] = {}
    for line in stream.split(b"\n"):
        with contextlib.suppress(ValueError, TypeError, KeyError, IndexError, AttributeError):
            choice = json.loads(line.removeprefix(b"data: "))["choices"][0]
            texts[choice["index"]] = texts.get(choice["index"], "") + choice["delta"]["content"]
    return texts.values()


# A running outpost


def spelled(rng: random.Random, value: Any) -> bytes:
    """JSON of ``value``, some characters of whose plain strings are escaped."""
    share = rng.choice((0.0, 0.0, 0.3, 1.0))

    def escaped(found: re.Match[str]) -> str:
        return "".join(f"\\u{ord(char):04x}" if rng.random() < share else char for char in found[0])

    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    return re.sub(r'(?<=")[A-Za-z0-9@. ,]+(?=")', escaped, text).encode()


def disguise(rng: random.Random, secret: str) -> str:
    """A text that holds ``secret`` in a form that is always looked into."""
    ways = (
        secret,
        f"it is {secret}, as you know",
        json.dumps({"to": [secret]}),
        json.dumps({"a": json.dumps({"b": secret})}),
        "data:text/plain;base64," + base64.b64encode(f"see {secret} there".encode()).decode(),
        "".join(f"\\u{ord(char):04x}" if char in "@." else char for char in json.dumps([secret])),
    )
    return rng.choice(ways)


def bodies(surface: str) -> tuple[str, dict[str, Any], list[str]]:
    """Path, a body that is served, and the places of the published schema."""
    base: dict[str, Any] = {"model": "standin-chat"}
    if surface == "/v1/messages":
        return surface, base | {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}, []
    leaves = request_leaves("api-openai-openapi", surface.removeprefix("/v1"))
    if surface == "/v1/chat/completions":
        return surface, base | {"messages": [{"role": "user", "content": "hi"}]}, leaves
    return surface, base | {("prompt" if surface == "/v1/completions" else "input"): "hi"}, leaves


PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings", "/v1/moderations")


def structured(rng: random.Random) -> tuple[str, bytes]:
    """A path and a body with a secret at one of its places, and other values at others."""
    path, body, leaves = bodies(rng.choice((*PATHS, "/v1/messages")))
    for leaf in rng.sample(leaves, min(len(leaves), rng.randrange(4))):
        junk = rng.choice(("x", "", 0, -1, 1.5, True, None, {}, "a" * 300, "\u202e", "1e5"))
        body = merged(body, planted(leaf, junk))
    secret = disguise(rng, rng.choice((CARD, EMAIL)))
    place = (
        rng.choice(leaves)
        if leaves and rng.random() < 0.8
        else rng.choice(("messages[].content", "x.y[].z", "metadata.k"))
    )
    body = merged(body, planted(place, secret))
    raw = spelled(rng, body)
    return path, mutated(rng, raw, 2) if rng.random() < 0.3 else raw


def held_secret(engine: Engine, text: str) -> bool:
    """Whether what was planted is in ``text``, and not so broken that it is something else (a longer word)."""
    if CARD not in text and EMAIL not in text:
        return False
    return any(finding.kind in PLANTED for finding in engine.scan(text))


def decodings(text: str, depth: int = 4) -> Iterator[str]:
    """``text`` as whoever reads it could read it."""
    yield text
    if depth == 0:
        return
    with contextlib.suppress(ValueError, RecursionError):
        yield from (
            found for leaf in _strings(json.loads(text)) if leaf != text for found in decodings(leaf, depth - 1)
        )
    for decoded in (urllib.parse.unquote(text), html.unescape(text)):
        if decoded != text:
            yield from decodings(decoded, depth - 1)
    for found in _DATA_URL.finditer(text):
        with contextlib.suppress(binascii.Error):
            yield base64.b64decode(found[1] + "==").decode("utf-8", "replace")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from _strings(member)
    elif isinstance(value, str):
        yield value


class Site:
    """One running outpost that blocks what is planted, before the stand-in provider."""

    def __init__(self, outpost: RunningOutpost, upstream: Upstream) -> None:
        self._outpost, self._upstream = outpost, upstream
        self._engine = Engine(ALL)
        headers = {"x-api-key": outpost.api_key, "content-type": "application/json"}
        alone = httpx.Limits(max_keepalive_connections=0)  # the outpost closes what is idle after a moment
        self._client = httpx.AsyncClient(base_url=outpost.base_url, headers=headers, timeout=20, limits=alone)
        self.served = self.refused = 0

    async def structured(self, seed: int) -> None:
        """One body by the published schema."""
        path, raw = structured(random.Random(seed))
        response = await self._client.post(path, content=raw)
        if response.status_code == 200:
            self.served += 1
        else:
            self.refused += 1
            code = response.json()["error"]["code"]
            assert response.status_code in documented_statuses()[code], (seed, response.text)
            assert code != "internal_error", (seed, raw)
        self._nothing_leaked(seed)

    async def raw(self, seed: int) -> None:
        """One request as bytes, broken somewhere."""
        rng = random.Random(seed)
        path, body = structured(rng)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {self._outpost.api_key}\r\n"
        if rng.random() < 0.5:
            cut = rng.randrange(1, len(body))
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:cut], body[cut:])) + b"0\r\n\r\n"
            head += "Transfer-Encoding: chunked\r\n\r\n"
        else:
            head += f"Content-Length: {len(body)}\r\n\r\n"
        sent = mutated(rng, head.encode(), 3) + (mutated(rng, body, 2) if rng.random() < 0.5 else body)
        received, _ = await exchange_raw(self._outpost, sent, timeout_s=2.5)
        assert not received or received.startswith(b"HTTP/1."), (seed, received[:100])
        for code in re.findall(rb'"code": ?"([a-z_]+)"', received):
            assert code.decode() in documented_statuses(), (seed, code)
        self._nothing_leaked(seed)

    def _nothing_leaked(self, seed: int) -> None:
        while self._upstream.requests:
            request = self._upstream.requests.popleft()
            texts = [request.body.decode("utf-8", "replace"), *(value for _, value in request.headers)]
            for text in texts:
                for read in decodings(text):
                    assert not held_secret(self._engine, read), seed

    async def close(self) -> None:
        """Nothing failed, nothing is left behind, and it still serves."""
        await self._client.aclose()
        assert counted(self._outpost, "internal_error") == 0
        assert counted(self._outpost, "internal_error", surface="unknown") == 0
        async with asyncio.timeout(10), httpx.AsyncClient(base_url=self._outpost.base_url) as client:
            assert (await client.get("/readyz")).status_code == 200
            gauge = self._outpost.metrics.registry.get_sample_value
            while gauge("outpost_requests_in_flight"):  # noqa: ASYNC110 - of others
                await asyncio.sleep(0.05)

"""What honest requests are promised, as a check for the tests and for `make fuzz`: nobody notices the outpost.

A body in which nothing is found reaches the provider byte for byte, however its JSON is written, and the answer is the
one that the provider gives to whoever asks it directly: a plain one byte for byte, a streamed one event for event but
for where its text is cut. Of a body in which something is redacted only the string that holds it changes, and where it
is restored the answer is the direct one too, but for what the provider derives from the body's bytes.
"""

import json
import random
import re
import string
from collections import Counter
from typing import Any

import httpx

from tests.architecture.repository import documented_statuses
from tests.fakes.outpost import RunningOutpost
from tests.fakes.upstream import UPSTREAM_KEY, Upstream
from tests.outpost.proxy import laws
from tests.outpost.proxy.setup import policy, restoring
from tests.outpost.proxy.surfaces.planting import EMAIL, merged, planted

BLOCKING = policy("BLOCK", ("pci.pan", "pii.email", "unscannable.*"))
RESTORING = restoring("pii.email")

_WORDS = (
    "what is new in the garden", "Grüße, 世界", "\U0001f30d\U0001f469\u200d\U0001f4bb", "e\u0301 and é",
    "\u05e9\u05dc\u05d5\u05dd", 'say "this"', "C:\\temp", "<b>bold</b> & more", "if (a < b) { return [1, 2]; }",
    "line\nline\r\n\tline", "\u2028\u2029", "\u0000\u0007\u001f", "",
    "```python\nprint('x')\n```", "100 % of 3.14", "f(x) = x^2", "null", "a/b", "data:", "https://example.com/a?b=c#d",
)  # fmt: skip
_SCALARS = (0, -1, 1.5, True, False, None, 12345678901234567890123, 1e300, -0.0, [], {}, [[]], {"": ""})
_SPACE = ("", "", "", " ", "\n", "\t ", " \r\n  ")
_DERIVED = frozenset({"id", "item_id", "created", "created_at", "usage", "system_fingerprint"})
_TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def text(rng: random.Random) -> str:
    """Some words; nothing that anybody would look for."""
    if rng.random() < 0.1:
        return " ".join(rng.choice(("so", "it", "grows")) for _ in range(rng.randrange(rng.choice((30, 30, 1_000)))))
    return rng.choice((" ", ". ", "\n")).join(rng.choices(_WORDS, k=rng.randrange(1, 5)))


def written(rng: random.Random, value: Any) -> bytes:
    """JSON of ``value`` as nobody's library writes it: white space, escapes, and numbers in other spellings."""
    share = rng.choice((0.0, 0.0, 0.05, 1.0))
    spaced = rng.random() < 0.5

    def gap() -> str:
        return rng.choice(_SPACE) if spaced else ""

    def quoted(plain: str) -> str:
        return '"' + "".join(_character(rng, char, share) for char in plain) + '"'

    def put(one: Any) -> str:
        if isinstance(one, str):
            return quoted(one)
        if isinstance(one, dict):
            inside = ",".join(
                f"{gap()}{quoted(name)}{gap()}:{gap()}{put(member)}{gap()}" for name, member in one.items()
            )
            return "{" + (inside or gap()) + "}"
        if isinstance(one, list):
            return "[" + (",".join(f"{gap()}{put(member)}{gap()}" for member in one) or gap()) + "]"
        if isinstance(one, int) and not isinstance(one, bool) and rng.random() < 0.1:
            return rng.choice((f"{one}.0", f"{one}e0", f"{one}E+0", f"{one}.000"))
        return json.dumps(one)

    return (gap() + put(value) + gap()).encode()


def _character(rng: random.Random, char: str, share: float) -> str:
    if char in '"\\' or char < " ":
        return json.dumps(char)[1:-1]
    if rng.random() >= share:
        return "\\/" if char == "/" and share else char
    escaped = json.dumps(char)[1:-1]
    return escaped if escaped != char else rng.choice((f"\\u{ord(char):04x}", f"\\u{ord(char):04X}"))


def _conversation(rng: random.Random, path: str) -> dict[str, Any]:
    """Some turns in the shape of ``path``, perhaps with tools."""
    body: dict[str, Any] = {"model": "standin-chat"}
    if path in {"/v1/embeddings", "/v1/moderations", "/v1/completions"}:
        one: Any = rng.choice((text(rng) or "x", [text(rng) or "x", "y"]))
        return body | {"prompt" if path == "/v1/completions" else "input": one}
    turns = [
        {"role": role, "content": rng.choice((text(rng), [_part(rng, path, role)]))}
        for _ in range(rng.randrange(1, 4))
        for role in ("user", "assistant")
    ]
    turns = turns[: rng.randrange(1, len(turns) + 1)]
    if rng.random() < 0.3:
        body |= {"tools": [_tool(path)]}
    if path == "/v1/messages":
        return body | {"max_tokens": 99_999, "messages": turns, "system": text(rng)}
    return body | {"input" if path == "/v1/responses" else "messages": turns}


def _part(rng: random.Random, path: str, role: str) -> dict[str, Any]:
    kind = "text" if path != "/v1/responses" else "output_text" if role == "assistant" else "input_text"
    return {"type": kind, "text": text(rng)}


def _tool(path: str) -> dict[str, Any]:
    named = {"name": "weather", "description": "says how it will be"}
    if path == "/v1/messages":
        return named | {"input_schema": _TOOL}
    if path == "/v1/responses":
        return {"type": "function", **named, "parameters": _TOOL}
    return {"type": "function", "function": named | {"parameters": _TOOL}}


def honest(rng: random.Random, mark: str) -> tuple[str, bytes]:
    """A path and a body with nothing to find in it; ``mark`` makes it one of its kind."""
    path = rng.choice((*laws.PATHS, "/v1/messages"))
    body = _conversation(rng, path)
    _, _, leaves = laws.bodies(path)
    for leaf in rng.sample(leaves, min(len(leaves), rng.choice((0, 0, 1, 3)))):
        if leaf not in {"model", "stream"}:
            body = merged(body, planted(leaf, text(rng)))
    for _ in range(rng.randrange(3)):
        body = merged(body, {"x_" + rng.choice(string.ascii_letters): rng.choice((text(rng), *_SCALARS))})
    if path not in {"/v1/embeddings", "/v1/moderations"} and rng.random() < 0.4:
        body["stream"] = True
    members = [*{**body, "x_mark": mark}.items()]
    rng.shuffle(members)
    return path, written(rng, dict(members))


def redacted(rng: random.Random, mark: str) -> tuple[str, bytes]:
    """A path and a body whose last turn holds an address once, in plain letters."""
    path = rng.choice(("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions"))
    body = _conversation(rng, path)
    said = f"{text(rng)} {EMAIL} {text(rng)}"
    if path == "/v1/completions":
        body["prompt"] = said
    else:
        body["input" if path == "/v1/responses" else "messages"].append({"role": "user", "content": said})
    body |= {"x_mark": mark, "stream": rng.random() < 0.5}
    raw = written(rng, body)
    while EMAIL.encode() not in raw:  # it was spelled otherwise
        raw = written(rng, body)
    return path, raw


def spliced(raw: bytes, received: bytes) -> bool:
    """Whether only the string that holds the address changed, and in it only the address, for a label."""
    at = raw.index(EMAIL.encode())
    start, end = raw.rindex(b'"', 0, at), at
    while raw[start - 1 : start] == b"\\":
        start = raw.rindex(b'"', 0, start)
    found = re.compile(rb'(?:[^"\\]|\\.)*"').match(raw, start + 1)
    end = found.end() if found else end
    before, after = raw[:start], raw[end:]
    if not (received.startswith(before) and received.endswith(after)):
        return False
    said = json.loads(received[len(before) : len(received) - len(after)])
    return re.sub(r"<EMAIL_\d+>", EMAIL, said) == json.loads(raw[start:end]) and EMAIL not in said


class Unnoticed:
    """One running outpost, and its provider, which is asked directly as well."""

    def __init__(self, outpost: RunningOutpost, upstream: Upstream) -> None:
        self._upstream = upstream
        self._through = _client(outpost.base_url, outpost.api_key)
        self._direct = _client(upstream.base_url, UPSTREAM_KEY)
        self.served, self.refusals = 0, Counter[str]()

    async def honest(self, seed: int) -> None:
        """One body, both ways."""
        rng = random.Random(seed)
        path, raw = honest(rng, "".join(rng.choices(string.ascii_lowercase, k=20)))
        through = await self._through.post(path, content=raw)
        received = [request.body for request in _taken(self._upstream)]
        if through.status_code != 200:
            self._refused(seed, raw, through)
        direct = await self._direct.post(path, content=raw)
        _taken(self._upstream)
        assert received == [raw] or (through.status_code != 200 and not received), (seed, path, raw, received)
        if direct.status_code != 200:
            assert through.status_code != 200, (seed, path, raw)
        elif through.status_code == 200:
            self.served += 1
            kinds = [answer.headers["Content-Type"].partition(";")[0] for answer in (through, direct)]
            assert kinds[0] == kinds[1], seed
            if kinds[0] == "text/event-stream":
                assert joined(through.text) == joined(direct.text), (seed, path, raw)
            else:
                assert through.content == direct.content, (seed, path, raw)

    async def redacted(self, seed: int) -> None:
        """One body with an address that is replaced on its way and restored in the answer."""
        rng = random.Random(seed)
        path, raw = redacted(rng, "".join(rng.choices(string.ascii_lowercase, k=20)))
        through = await self._through.post(path, content=raw)
        (received,) = _taken(self._upstream)
        direct = await self._direct.post(path, content=raw)
        _taken(self._upstream)
        assert through.status_code == direct.status_code == 200, (seed, through.text, direct.text)
        assert spliced(raw, received.body), (seed, raw, received.body)
        if through.headers["Content-Type"].startswith("text/event-stream"):
            assert joined(through.text, derived=False) == joined(direct.text, derived=False), (seed, path, raw)
        else:
            assert _said(through.json()) == _said(direct.json()), (seed, path, raw)
        self.served += 1

    def _refused(self, seed: int, raw: bytes, response: httpx.Response) -> None:
        error = response.json()["error"]
        code = error.get("code") or error.get("type")
        self.refusals[f"{response.status_code} {code}: {error['message'][:60]}"] += 1
        assert response.status_code in documented_statuses()[code], (seed, response.text)
        assert code != "internal_error", (seed, raw)
        if code == "policy_blocked":
            assert "unscannable" in error["message"], (seed, raw, error["message"])

    async def close(self) -> None:
        """Hang up."""
        await self._through.aclose()
        await self._direct.aclose()


def _client(base_url: str, key: str) -> httpx.AsyncClient:
    headers = {"x-api-key": key, "content-type": "application/json", "anthropic-version": "2023-06-01"}
    headers |= {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(
        base_url=base_url, headers=headers, timeout=20, limits=httpx.Limits(max_keepalive_connections=0)
    )


def _taken(upstream: Upstream) -> list[Any]:
    return [upstream.requests.popleft() for _ in range(len(upstream.requests))]


def _said(answer: Any) -> Any:
    """An answer without what this provider derives from the bytes or the length of the question."""
    if isinstance(answer, dict):
        return {name: _said(member) for name, member in answer.items() if name not in _DERIVED}
    return [_said(member) for member in answer] if isinstance(answer, list) else answer


def joined(stream: str, *, derived: bool = True) -> list[Any]:
    """The events of a stream; those that differ from the one before only in a text are one, with both texts.

    Without what is ``derived``: as ``_said`` has them.
    """
    events: list[Any] = []
    for block in stream.split("\n\n"):
        data = "".join(line.removeprefix("data:").lstrip(" ") for line in block.split("\n") if line.startswith("data:"))
        if not data:
            continue
        event = json.loads(data) if data != "[DONE]" else data
        event = event if derived else _said(event)
        bare, said = _bare(event)
        if events and said is not None and events[-1][0] == bare:
            events[-1][1] += said
        else:
            events.append([bare, said])
    return events


def _bare(event: Any) -> tuple[Any, str | None]:
    """An event without its piece of text and its number, and that text."""
    if not isinstance(event, dict):
        return event, None
    event = {name: member for name, member in event.items() if name != "sequence_number"}
    if isinstance(event.get("delta"), str):
        return {**event, "delta": ""}, event["delta"]
    delta = event.get("delta")
    if isinstance(delta, dict) and isinstance(delta.get("text"), str):
        return {**event, "delta": {**delta, "text": ""}}, delta["text"]
    choices = event.get("choices")
    if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict):
        choice = choices[0]
        if isinstance(choice.get("text"), str):
            return {**event, "choices": [{**choice, "text": ""}]}, choice["text"]
        delta = choice.get("delta")
        if isinstance(delta, dict) and isinstance(delta.get("content"), str):
            return {**event, "choices": [{**choice, "delta": {**delta, "content": ""}}]}, delta["content"]
    return event, None

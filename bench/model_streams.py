"""What a rule about models costs an answer that streams: first text, last byte, processor time.

    python -m bench.model_streams [--words 400] [--pause-ms 20] [--repeats 5] [--json FILE]
    python -m bench.model_streams --files docs/*.md

Provider, outpost and client share one process and its loop, the pack that ships runs in an inference process. ``held``
is what a rule does that cares for whole texts; ``patterns`` has no rule about models. Every answer is new. With
``--files`` their beginnings are read as they grow and whole, without a proxy: how much waits, and whether both agree.
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client import CollectorRegistry

from outpost.models.growing import Growing
from outpost.models.options import Choice, SessionOptions, WorkerSettings
from outpost.models.pack import pack_folder
from outpost.models.process import Pace
from outpost.models.runners import Loaded
from outpost.models.service import ModelOptions, ModelService
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.findings import Finding, Tier
from outpost.protocol.routing import Provider, RoutingDocument
from tests.fakes.outpost import running_outpost

SENTENCES: Final = (
    "The garden needs water in the morning, before the sun is high.",
    "Most of the work is done by worms, which bring leaves down and air with them.",
    "If the soil is heavy, mix sand into it and wait until it has settled.",
    "A bed that was full of beans last year feeds cabbages well this year.",
    "Cut the grass less often and it will grow deeper roots.",
    "In a dry summer it is better to water once a week and much than every day and little.",
    "Tomatoes want warmth, light and a stick to hold on to.",
    "The compost is ready when it smells like a wood after rain.",
    "Paths that are covered with bark stay dry and keep weeds away.",
    "Sow the next row when the first one has come up, so that not everything is ripe at once.",
)
WAYS: Final = ("patterns", "windows", "held")
_TICKS_PER_S: Final = 100
_MOST_CHARS: Final = 6_000  # about a thousand tokens: a long answer


class Held(ModelService):
    """Says of everything that a text must have ended."""

    @property
    def judged_whole(self) -> frozenset[str]:
        """All that it finds."""
        return self.kinds or frozenset()


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of some answers, in milliseconds from the request; processor time of each side for one answer."""

    way: str
    words: int
    pause_ms: float
    first_text_ms: float
    last_byte_ms: float
    proxy_cpu_ms: float
    models_cpu_ms: float


@asynccontextmanager
async def models_of(way: str) -> AsyncIterator[ModelService]:
    """The pack that ships, ready."""
    settings = WorkerSettings((), "", runners=2)
    options = ModelOptions(Choice(pack_folder(Path("default"))), settings, Pace(timeout_s=30.0), cache_entries=0)
    service = (Held if way == "held" else ModelService)(options, CollectorRegistry())
    stop = asyncio.Event()
    running = asyncio.ensure_future(service.run(stop))
    try:
        while service.problem is not None:  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.01)
        yield service
    finally:
        stop.set()
        await running


def models_cpu_s(service: ModelService) -> float:
    """Processor time of the inference process."""
    fields = Path(f"/proc/{service._process.pid}/stat").read_text("ascii").rpartition(")")[2].split()  # noqa: SLF001
    return sum(map(int, fields[11:13])) / _TICKS_PER_S


async def read(client: httpx.AsyncClient) -> tuple[float, float]:
    """Seconds to the first text and to the last byte of one answer."""
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    began_s, first_s, last = time.perf_counter(), 0.0, b""
    async with client.stream("POST", "/v1/chat/completions", json=asked) as response:
        async for part in response.aiter_bytes():
            if not first_s and b'"content"' in part:
                first_s = time.perf_counter() - began_s
            last = part
    if not last.endswith(b"data: [DONE]\n\n"):
        raise SystemExit(f"the answer broke off: {last[-200:]!r}")
    return first_s, time.perf_counter() - began_s


def prose(words: int, seed: int) -> str:
    """Sentences that a model may say, in an order of its own."""
    chance, said = random.Random(seed), list[str]()
    while len(said) < words:
        said += chance.choice(SENTENCES).split()
    return " ".join(said[:words])


@asynccontextmanager
async def provider(words: int, pause_ms: float) -> AsyncIterator[str]:
    """One that says ``words`` words, each time others, one event for each; its URL."""
    seeds = count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for word in prose(words, next(seeds)).split():
                choices = [{"index": 0, "delta": {"content": f"{word} "}}]
                event = {"object": "chat.completion.chunk", "id": "c", "model": "m", "choices": choices}
                writer.write(f"data: {json.dumps(event)}\n\n".encode())
                await writer.drain()
                if pause_ms:
                    await asyncio.sleep(pause_ms / 1000)
            writer.write(b"data: [DONE]\n\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def documents(way: str, url: str) -> tuple[PolicyDocument, RoutingDocument]:
    """A rule about answers, and the provider."""
    kinds = ["pci.*"] if way == "patterns" else ["pii.person", "attack.*"]
    rule = {"id": "r", "sequence": 1, "when": {"findings": kinds, "directions": ["output"]}, "action": "REDACT"}
    pack = {"id": "p", "sequence": 1, "combining": "deny_overrides", "default": "ALLOW", "rules": [rule]}
    chosen = PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": [pack]}))
    there = Provider(id="p", surface="openai", base_url=url, models=["*"])
    return chosen, RoutingDocument(schema_version="1", providers=[there])


async def measure(way: str, words: int, pause_ms: float, repeats: int) -> Figures:
    """One way, after an answer that does not count."""
    async with models_of(way) as service, provider(words, pause_ms) as url:
        chosen, routing = documents(way, url)
        offered: Collection[str] = service.kinds or ()
        async with running_outpost(policy=chosen, routing=routing, models=service, offered=offered) as running:
            headers = {"Authorization": f"Bearer {running.api_key}"}
            async with httpx.AsyncClient(base_url=running.base_url, headers=headers, timeout=120) as client:
                await read(client)
                proxy_s, there_s = time.process_time(), models_cpu_s(service)
                times = [await read(client) for _ in range(repeats)]
                proxy_s, there_s = time.process_time() - proxy_s, models_cpu_s(service) - there_s
    first, last = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    return Figures(way, words, pause_ms, first, last, 1000 * proxy_s / repeats, 1000 * there_s / repeats)


def grown(loaded: Loaded, text: str, wanted: frozenset[str]) -> tuple[list[Finding], list[int]]:
    """Findings of a text that comes in pieces of up to 300 characters, and how many characters waited after each."""
    growing, chance, at = Growing(loaded.inspector, wanted), random.Random(len(text)), 0
    found: list[Finding] = []
    waiting: list[int] = []
    while at < len(text):
        end = min(at + chance.randint(20, 300), len(text))
        prepared = growing.add(text[at:end], final=end == len(text))
        batches = [loaded.inspector.batch([(prepared, index)]) for index in range(len(prepared.runs))]
        settled = growing.conclude([{n: a[0] for n, a in loaded.session.run(batch).items()} for batch in batches])
        found += [item.finding for item in settled.findings]
        waiting.append(end - settled.upto)
        at = end
    return found, waiting[:-1]


def agree(files: list[Path]) -> None:
    """Print how much waits of these files, under rules for all kinds and for entities only."""
    loaded = Loaded(pack_folder(Path("default")), SessionOptions(threads=1))
    texts = [path.read_text("utf-8")[:_MOST_CHARS] for path in files]
    began_s = time.process_time()
    wholes = [[item.finding for item in loaded.inspect(text).findings] for text in texts]
    whole_s = time.process_time() - began_s
    every = loaded.inspector.card.kinds
    for name, wanted in (
        ("all kinds", every),
        ("entities", frozenset(k for k in every if not k.startswith("attack."))),
    ):
        began_s = time.process_time()
        said = [grown(loaded, text, wanted) for text in texts]
        spent = (time.process_time() - began_s) / whole_s
        differ = sum(
            [f for f in whole if f.tier is Tier.ENTITY_MODEL] != [f for f in found if f.tier is Tier.ENTITY_MODEL]
            or not set(whole) <= set(found)
            for whole, (found, _) in zip(wholes, said, strict=True)
        )
        waiting = sorted(chars for _, each in said for chars in each)
        p50, p90 = (waiting[len(waiting) * part // 10] for part in (5, 9))
        count_of = sum(f.tier is Tier.ENTITY_MODEL for whole in wholes for f in whole)
        print(
            f"{name:9} {len(texts)} texts, {count_of} entities, {differ} texts differ; "
            f"processor {spent:.2f} of the whole's; characters that wait: p50 {p50}, p90 {p90}, most {waiting[-1]}"
        )


async def run(args: argparse.Namespace) -> list[Figures]:
    """All ways, one after another."""
    return [await measure(way, args.words, args.pause_ms, args.repeats) for way in WAYS]


def main(arguments: list[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--words", type=int, default=400)
    parser.add_argument("--pause-ms", type=float, default=20.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--files", type=Path, nargs="+")
    args = parser.parse_args(arguments)
    if args.files:
        agree(args.files)
        return
    rows = asyncio.run(run(args))
    print(f"{args.words} words, {args.pause_ms} ms apart, median of {args.repeats}")
    for row in rows:
        print(
            f"{row.way:9} first text {row.first_text_ms:9.1f} ms  last byte {row.last_byte_ms:9.1f} ms  "
            f"processor: proxy {row.proxy_cpu_ms:7.1f} ms, models {row.models_cpu_ms:7.1f} ms"
        )
    if args.json is not None:
        found: list[dict[str, Any]] = [asdict(row) for row in rows]
        args.json.write_text(json.dumps(found, indent=2), "utf-8")


if __name__ == "__main__":
    main()

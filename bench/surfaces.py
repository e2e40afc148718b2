"""What each surface costs, what a long history costs, and what many slow streams and a large document take.

    make bench-surfaces [ARGS="--quick --only histories --json FILE"]

Costs are processor time of the outpost's processes per request, so that other work on the machine matters little; the
stand-in provider answers at once unless said otherwise. First bytes of streams are measured by `make bench`.
"""

import argparse
import asyncio
import hashlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import uvloop

from bench.processes import Weight, python_server, weigh
from bench.report import machine_facts
from outpost.demo.stage import Stage
from outpost.dlp.engine import default_engine
from outpost.proxy.seen import SeenTexts
from outpost.proxy.surfaces.openai_chat import parse_request
from pki.files import write_private

TURNS: Final = (1, 20, 200)
ROUNDS: Final = 5
TEXT: Final = (
    "please read the draft below and tell me which paragraph should come first which one can go and how ending "
    "could be made shorter without losing point it makes about garden weather supplier meeting invoice plan"
)
WORDS: Final = TEXT.split()
TURN_WORDS: Final = 80
MODEL_POLICY: Final = {
    "schema_version": "1",
    "packs": [
        {
            "id": "bench",
            "sequence": 1,
            "default": "ALLOW",
            "rules": [
                {
                    "id": "attacks",
                    "sequence": 1,
                    "when": {"findings": ["attack.jailbreak", "attack.direct_injection"], "min_score": 1.0},
                    "action": "BLOCK",
                },
            ],
        }
    ],
}
"""Models are asked about every text, and whatever they say passes."""
STREAMS: Final = 100
STREAM_DELTAS: Final = 100
STREAM_PAUSE_MS: Final = 50
DOCUMENT_BYTES: Final = 25 * 1024 * 1024
FLAT_MIB: Final = 16.0
STARTS: Final = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """How many requests of each kind."""

    each: int
    flat: int


FULL: Final = Plan(each=200, flat=10_000)
QUICK: Final = Plan(each=30, flat=500)


def prose(words: int, seed: object) -> str:
    """Text that nobody has sent before."""
    chance = random.Random(str(seed))
    return " ".join(chance.choice(WORDS) for _ in range(words))


def history(turns: int, seed: object) -> dict[str, Any]:
    """A chat whose last of ``turns`` messages of each side is new, and the rest the same for every seed."""
    said = [prose(TURN_WORDS, f"turn {number}") for number in range(2 * turns - 2)]
    messages = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]
    return {"model": "standin-chat", "messages": [*messages, {"role": "user", "content": prose(TURN_WORDS, seed)}]}


def bodies(seed: object) -> dict[str, dict[str, Any]]:
    """One request of about a kilobyte for each surface that takes JSON."""
    text = prose(180, seed)
    chat = {"model": "standin-chat", "messages": [{"role": "user", "content": text}]}
    messages = {"model": "standin-claude", "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    return {
        "/v1/chat/completions": chat,
        "/v1/chat/completions streamed": chat | {"stream": True},
        "/v1/responses": {"model": "standin-chat", "input": text},
        "/v1/completions": {"model": "standin-chat", "prompt": text},
        "/v1/embeddings": {"model": "standin-chat", "input": text},
        "/v1/moderations": {"model": "standin-chat", "input": text},
        "/v1/messages": messages,
        "/v1/messages streamed": messages | {"stream": True},
        "/v1/messages/count_tokens": {name: messages[name] for name in ("model", "messages")},
    }


@dataclass(frozen=True, slots=True)
class Server:
    """Whom to ask, whose processor time counts, and the key that it takes."""

    root: str
    pid: int
    key: str


def history_costs(server: Server, lengths: Sequence[int], plan: Plan) -> dict[int, float]:
    """Processor time of one chat in milliseconds, by its turns; one length after the other, so that all fare alike."""
    used_s = dict.fromkeys(lengths, 0.0)
    each = max(plan.each // ROUNDS, 10)
    with httpx.Client(headers={"Authorization": f"Bearer {server.key}"}, timeout=120, trust_env=False) as http:
        for number in range(-1, ROUNDS):  # the first only lets everything be seen
            for turns in lengths:
                contents = [json.dumps(history(turns, f"{turns} {number} {n}")).encode() for n in range(each)]
                before_s = weigh(server.pid).cpu_s
                for content in contents:
                    post(http, f"{server.root}/v1/chat/completions", content)
                used_s[turns] += (weigh(server.pid).cpu_s - before_s) * (number >= 0)
    return {turns: cpu_s / each / ROUNDS * 1000 for turns, cpu_s in used_s.items()}


def post(http: httpx.Client, url: str, body: bytes) -> None:
    answer = http.post(url, content=body, headers={"Content-Type": "application/json"})
    if answer.status_code != httpx.codes.OK:
        raise RuntimeError(f"{url}: {answer.status_code} {answer.text[:200]}")


class Bench:
    """One running outpost and what is measured of it."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self.stage = stage
        self.plan = plan
        self.root = stage.base_url.removesuffix("/v1")
        headers = {"Authorization": f"Bearer {stage.api_key}", "anthropic-version": "2023-06-01"}
        self.http = httpx.Client(headers=headers, timeout=120, trust_env=False)

    def weight(self) -> Weight:
        return weigh(self.stage.pid("outpost"))

    def cost_ms(self, path: str, make: Callable[[int], dict[str, Any]], count: int) -> float:
        """Processor time of one request, in milliseconds."""
        content = [json.dumps(make(number)).encode() for number in range(count + 5)]
        for body in content[:5]:
            self.post(path, body)
        before = self.weight().cpu_s
        for body in content[5:]:
            self.post(path, body)
        return (self.weight().cpu_s - before) / count * 1000

    def post(self, path: str, body: bytes) -> None:
        post(self.http, self.root + path, body)

    def histories(self) -> dict[str, Any]:
        """Chats by length, and what a turn that was sent before adds: here, and to what cannot be done without."""
        provider = self.stage.provider
        with python_server("bench.floor", "--upstream", provider.base_url.removesuffix("/v1")) as (root, pid):
            floor = Server(root, pid, str(provider.api_key))
            costs, floors = (history_costs(one, TURNS, self.plan) for one in (self.server(), floor))
        few, many = TURNS[-2:]
        bodies = {turns: json.dumps(history(turns, 0)).encode() for turns in TURNS}
        texts = {turns: [segment.text for segment in parse_request(body).segments] for turns, body in bodies.items()}
        seen = SeenTexts(default_engine())
        seen.scan_each(texts[many])
        work: dict[str, Callable[[int], object]] = {
            "reading the body, of that": lambda turns: parse_request(bodies[turns]),
            "knowing its texts again, of that": lambda turns: seen.scan_each(texts[turns]),
            "json.loads of the body": lambda turns: json.loads(bodies[turns]),
            "one keyed digest of the body": lambda turns: hashlib.blake2b(bodies[turns], key=bytes(32)).digest(),
        }
        found = {f"{turns} turns, {len(bodies[turns])} bytes, cpu_ms": round(costs[turns], 3) for turns in TURNS}
        more_ms = {
            "the outpost": costs[many] - costs[few],
            "bench.floor, which receives and forwards": floors[many] - floors[few],
        } | {what: here_ms(partial(one, many)) - here_ms(partial(one, few)) for what, one in work.items()}
        return found | {
            f"an old turn, cpu_us, {what}": round(more / (many - few) * 1000, 2) for what, more in more_ms.items()
        }

    def seen_turns(self) -> dict[str, Any]:
        """Starts; then a chat all but whose last turn was seen before, beside that turn alone."""
        starts = self.starts()
        costs = history_costs(self.server(), TURNS[:2], self.plan)
        alone, long = (costs[turns] for turns in TURNS[:2])
        return {
            **starts,
            "rss_mib of all its processes afterwards": round(self.weight().rss_mib),
            "its new turn alone, cpu_ms": round(alone, 2),
            f"{TURNS[1]} turns of which all others were seen, cpu_ms": round(long, 2),
            "ratio": round(long / alone, 3),
        }

    def starts(self) -> dict[str, Any]:
        """Starts, until a text that models look at is answered. Pages that processes share count twice."""
        ready_s, answered_s = [], []
        for number in range(STARTS):
            self.stage.stop("outpost")
            began_s = time.perf_counter()
            ready_s.append(self.stage.run_outpost())
            assert self.stage.ask(prose(180, f"start {number}")).status_code == httpx.codes.OK
            answered_s.append(time.perf_counter() - began_s)
        return {
            "seconds until ready": [round(one, 2) for one in ready_s],
            "seconds until the first answer": [round(one, 2) for one in answered_s],
            "rss_mib of all its processes after that": round(self.weight().rss_mib),
        }

    def server(self) -> "Server":
        return Server(self.root, self.stage.pid("outpost"), self.stage.api_key)

    def surfaces(self) -> dict[str, float]:
        return {
            name: round(self.cost_ms(name.split()[0], lambda n, s=name: bodies(n)[s], self.plan.each), 3)  # type: ignore[misc]
            for name in bodies(0)
        }

    def document(self) -> dict[str, float]:
        text = (prose(100_000, "document").encode() * 60)[: DOCUMENT_BYTES - 4096]
        before, began_s = self.weight(), time.perf_counter()
        files = {"file": ("notes.txt", text, "text/plain")}
        answer = self.http.post(f"{self.root}/v1/files", files=files, data={"purpose": "assistants"})
        took_s, after = time.perf_counter() - began_s, self.weight()
        return {
            "status": answer.status_code,
            "bytes": len(text),
            "seconds": round(took_s, 2),
            "cpu_s": round(after.cpu_s - before.cpu_s, 2),
            "peak_rss_mib": round(after.peak_rss_mib),
            "rss_mib_after": round(after.rss_mib),
        }

    def flat(self) -> dict[str, Any]:
        """Memory over thousands of requests, of which the first tenth only warms up."""
        sizes = []
        for number in range(self.plan.flat):
            self.post("/v1/chat/completions", json.dumps(history(1, f"flat {number}")).encode())
            if number % (self.plan.flat // 10) == self.plan.flat // 10 - 1:
                sizes.append(round(self.weight().rss_mib, 1))
        grown = sizes[-1] - sizes[0]
        return {"rss_mib": sizes, "grown_mib": round(grown, 1), "flat": grown <= FLAT_MIB}

    async def slow_streams(self) -> dict[str, Any]:
        """Streams of some seconds, all at once, some with clients that read slowly."""
        text = "SAY:" + " ".join(["word"] * STREAM_DELTAS)
        body = {"model": "standin-chat", "stream": True, "messages": [{"role": "user", "content": text}]}
        before = self.weight()
        began_s = time.perf_counter()

        async def one(http: httpx.AsyncClient, number: int) -> tuple[float, bool]:
            async with http.stream("POST", f"{self.root}/v1/chat/completions", json=body) as answer:
                first_s, end = 0.0, b""
                async for part in answer.aiter_bytes():
                    first_s = first_s or time.perf_counter() - began_s
                    end = part
                    if number % 4 == 0:
                        await asyncio.sleep(0.1)
                return first_s, end.endswith(b"data: [DONE]\n\n")

        limits = httpx.Limits(max_connections=STREAMS)
        async with httpx.AsyncClient(headers=self.http.headers, timeout=120, limits=limits, trust_env=False) as http:
            ends = await asyncio.gather(*(one(http, number) for number in range(STREAMS)))
        after = self.weight()
        return {
            "streams": len(ends),
            "whole": sum(whole for _, whole in ends),
            "seconds": round(time.perf_counter() - began_s, 1),
            "first_byte_s_worst": round(max(first for first, _ in ends), 2),
            "cpu_ms_per_stream": round((after.cpu_s - before.cpu_s) / STREAMS * 1000, 1),
            "rss_mib_grown": round(after.rss_mib - before.rss_mib, 1),
        }


def main() -> int:
    given = arguments()
    plan = QUICK if given.quick else FULL
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        report: dict[str, Any] = {"facts": machine_facts(Path(name))}
        with running(Path(name, "quick-provider"), plan, pause_ms=0) as bench:
            parts: dict[str, Callable[[], dict[str, Any]]] = {
                "cpu_ms by surface": bench.surfaces,
                "histories": bench.histories,
                "memory": bench.flat,
                "document": bench.document,
            }
            report |= {what: show(what, part()) for what, part in parts.items() if given.only in {None, what}}
        if given.only in {None, "slow streams"}:
            with running(Path(name, "slow-provider"), plan, pause_ms=STREAM_PAUSE_MS) as bench:
                report["slow streams"] = show("slow streams", uvloop.run(bench.slow_streams()))
        if given.only in {None, "histories with models"}:
            with running(Path(name, "models"), plan, pause_ms=0, models=True) as bench:
                report["histories with models"] = show("histories with models", bench.seen_turns())
    if given.json:
        given.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0


@contextmanager
def running(directory: Path, plan: Plan, *, pause_ms: int, models: bool = False) -> Iterator[Bench]:
    """An outpost whose provider pauses for so long between two parts of a stream; with ``models`` these look too."""
    directory.mkdir()
    stage = Stage(directory, outpost_variables={"OUTPOST_MODELS_PACK": "default"} if models else {})
    try:
        start(stage, directory, pause_ms, models=models)
        yield Bench(stage, plan)
    finally:
        stage.close()


def here_ms(work: Callable[[], object]) -> float:
    """Processor time of ``work`` in this process, in milliseconds: the least of many, in which nothing had a part."""
    took_s = []
    for _ in range(200):
        began_s = time.process_time()
        work()
        took_s.append(time.process_time() - began_s)
    return min(took_s) * 1000


def start(stage: Stage, directory: Path, pause_ms: int, *, models: bool) -> None:
    """Provider, control plane with both dialects routed, and outpost."""
    stage.start_provider("--delay-ms", str(pause_ms))
    stage.init_control_plane()
    key = directory / "key"
    write_private(key, (stage.provider.api_key or "").encode())
    stage.control_plane("secret", "set", "provider/anthropic", "--file", str(key))
    providers = [
        {"id": "openai", "surface": "openai", "base_url": stage.provider.base_url, "models": ["*"]},
        {"id": "anthropic", "surface": "anthropic", "base_url": stage.provider.base_url, "models": ["*"]},
    ]
    routing = directory / "routing.json"
    routing.write_text(json.dumps({"schema_version": "1", "providers": providers}), "utf-8")
    published = ["--routing", str(routing)]
    if models:
        policy = directory / "policy.json"
        policy.write_text(json.dumps(MODEL_POLICY), "utf-8")
        published.append(str(policy))
    stage.control_plane("policy", "publish", *published)
    stage.serve_control_plane()
    stage.enrol("bench")
    stage.run_outpost()


def show(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    """Print as it comes: the whole takes minutes."""
    print(name)
    for what, value in figures.items():
        print(f"  {what}: {value}", flush=True)
    return figures


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure surfaces, histories, streams, documents and memory.")
    parser.add_argument("--quick", action="store_true", help="a minute instead of some")
    parser.add_argument("--only", help="one part, by the name under which it is printed, such as 'histories'")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Whether an outpost under bad company leaks: clients that vanish, providers that stall, reset and lie, for minutes.

    make soak [SECONDS=600] [ARGS="--workers 2 --clients 24 --seed 1 --json FILE"]

Real processes: provider, control plane and an outpost with several workers. Before the load and after it, once all is
quiet again, descriptors, sockets, tasks and children of every process of the outpost are counted; memory is compared
with what it was when the load had warmed everything up. Ends with 1 and says why if anything is left over.
"""

import argparse
import asyncio
import json
import random
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import httpx
import uvloop

from bench.processes import tree
from outpost.demo.stage import Stage

WARM_SHARE: Final = 0.2
MOST_WARM_S: Final = 60.0
QUIET_S: Final = 45.0  # idle connections to providers and clients close within 15 s and keepalive_timeout_s
EXTRA_DESCRIPTORS: Final = 3  # the control plane's connection, a checkpoint that is being written
EXTRA_TASKS: Final = 3
GROWTH_MIB: Final = 24.0
GROWTH_SHARE: Final = 0.10
PROVIDER_READ_S: Final = 2.0  # a stalled provider is given up so soon
LONG_TEXT: Final = "What is new in the world of gateways? " * 400


@dataclass(frozen=True, slots=True)
class Census:
    """What the outpost's processes hold, together; memory in MiB by process, largest last."""

    processes: int
    zombies: int
    descriptors: int
    sockets: int
    threads: int
    tasks: int
    in_flight: int
    rss_mib: tuple[float, ...]


def main() -> int:
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        report = uvloop.run(soak(given, Path(directory)))
    for name, value in report.items():
        print(f"{name}: {value}")
    if given.json:
        given.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0 if not report["problems"] else 1


async def soak(given: argparse.Namespace, directory: Path) -> dict[str, object]:
    """Start everything, load it, and compare before with after."""
    settings = {
        "OUTPOST_WORKERS": str(given.workers),
        "OUTPOST_PROVIDER_READ_TIMEOUT_S": str(PROVIDER_READ_S),
        "OUTPOST_KEEPALIVE_TIMEOUT_S": "5",
        "OUTPOST_BODY_TIMEOUT_S": "3",
    }
    stage = Stage(directory, outpost_variables=settings)
    try:
        stage.start_provider()
        stage.init_control_plane()
        stage.serve_control_plane()
        stage.enrol("soak")
        stage.run_outpost()
        stage.wait_delivered()
        began = await quiet(stage)
        ended = asyncio.Event()
        clients = [Client(stage, random.Random(f"{given.seed}-{number}"), ended) for number in range(given.clients)]
        running = [asyncio.create_task(client.run()) for client in clients]
        warm_s = min(given.seconds * WARM_SHARE, MOST_WARM_S)
        await asyncio.sleep(warm_s)
        warm = await asyncio.to_thread(census, stage)
        await asyncio.sleep(given.seconds - warm_s)
        loaded = await asyncio.to_thread(census, stage)
        ended.set()
        await asyncio.gather(*running)
        after = await quiet(stage, began)
        problems = await asyncio.to_thread(verdict, stage, began, warm, after)
    finally:
        await asyncio.to_thread(stage.close)
    done: Counter[str] = sum((client.done for client in clients), Counter())
    return {
        "command": "make soak " + " ".join(f"{name}={value}" for name, value in vars(given).items() if name != "json"),
        "did": dict(sorted(done.items())),
        "idle before": asdict(began),
        "warm": asdict(warm),
        "at the end of the load": asdict(loaded),
        "idle after": asdict(after),
        "problems": problems,
        "verdict": "leaks" if problems else "nothing is left over",
    }


def verdict(stage: Stage, before: Census, warm: Census, after: Census) -> list[str]:
    """What is left over, or wrong; empty if nothing."""
    found = [
        f"{name}: {getattr(before, name)} before, {getattr(after, name)} after"
        for name, extra in {
            "processes": 0,
            "zombies": 0,
            "descriptors": EXTRA_DESCRIPTORS,
            "sockets": EXTRA_DESCRIPTORS,
            "tasks": EXTRA_TASKS,
            "in_flight": 0,
        }.items()
        if getattr(after, name) > getattr(before, name) + extra
    ]
    for was, now in zip(warm.rss_mib, after.rss_mib, strict=False):
        if now > was + max(GROWTH_MIB, GROWTH_SHARE * was):
            found.append(f"memory: a process had {was:.0f} MiB when it was warm and {now:.0f} MiB after")
    health = stage.health()
    if health["state"] == "red":
        found.append(f"health is red: {health['problems']}")
    if (health.get("workers") or {}).get("ended_unasked"):
        found.append("workers ended unasked")
    last = stage.ask("Is anybody there?")
    if last.status_code != httpx.codes.OK:
        found.append(f"a good request is refused afterwards: {last.status_code} {last.json()['error']['code']}")
    stage.stop("outpost")
    if not json.loads(stage.outpost("audit", "verify", "--json"))["ok"]:
        found.append("the audit log is not whole")
    return found


class Client:
    """Behaves badly, again and again, in ways drawn by chance."""

    def __init__(self, stage: Stage, chance: random.Random, ended: asyncio.Event) -> None:
        self._chance = chance
        self._ended = ended
        self._host, _, port = stage.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
        self._port = int(port)
        self._key = stage.api_key
        self.done: Counter[str] = Counter()

    async def run(self) -> None:
        ways = [
            self.plain, self.plain, self.stream, self.stream, self.vanish_in_stream, self.vanish_before_answer,
            self.reset_connection, self.half_a_body, self.half_a_head, self.idle, self.broken_provider,
            self.broken_provider, self.nonsense, self.realtime,
        ]  # fmt: skip
        while not self._ended.is_set():
            way = self._chance.choice(ways)
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(20):
                    await way()
            self.done[way.__name__] += 1

    async def plain(self) -> None:
        await self.whole(self.request(self.text(), stream=False))

    async def stream(self) -> None:
        await self.whole(self.request(self.text(), stream=True))

    async def vanish_in_stream(self) -> None:
        reader, writer = await self.open()
        writer.write(self.request(self.text(), stream=True))
        await reader.read(self._chance.randint(1, 900))
        writer.transport.abort()

    async def vanish_before_answer(self) -> None:
        _, writer = await self.open()
        writer.write(self.request(self.text(), model="standin-slow"))
        await asyncio.sleep(self._chance.uniform(0, 0.5))
        writer.transport.abort()

    async def reset_connection(self) -> None:
        _, writer = await self.open()
        writer.write(self.request(self.text(), stream=True))
        await asyncio.sleep(self._chance.uniform(0, 0.05))
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def half_a_body(self) -> None:
        _, writer = await self.open()
        sent = self.request(self.text())
        writer.write(sent[: self._chance.randint(1, len(sent) - 1)])
        await asyncio.sleep(self._chance.uniform(0, 4))
        writer.transport.abort()

    async def half_a_head(self) -> None:
        _, writer = await self.open()
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-")
        await asyncio.sleep(self._chance.uniform(0, 2))
        writer.transport.abort()

    async def idle(self) -> None:
        reader, writer = await self.open()
        writer.write(self.request("hello"))
        await reader.read(64)
        await asyncio.sleep(self._chance.uniform(0, 3))
        writer.close()

    async def broken_provider(self) -> None:
        names = ("stall", "reset", "cut", "slow", "error-event", "notjson", "500", "429", "gzip")
        model = f"standin-{self._chance.choice(names)}"
        reader, writer = await self.open()
        writer.write(self.request(self.text(), model=model, stream=self._chance.random() < 0.6))
        if self._chance.random() < 0.3:
            await asyncio.sleep(self._chance.uniform(0, 1))
            writer.transport.abort()
            return
        async with asyncio.timeout(PROVIDER_READ_S + 3):
            await reader.read(4096)
        writer.close()

    async def nonsense(self) -> None:
        reader, writer = await self.open()
        writer.write(self._chance.randbytes(self._chance.randint(1, 300)) + b"\r\n\r\n")
        await reader.read(200)
        writer.close()

    async def realtime(self) -> None:
        """Open a WebSocket, say something, and leave at any moment: politely, or not."""
        reader, writer = await self.open()
        part = {"type": "input_text", "text": self.text()}
        item = {"type": "message", "role": "user", "content": [part]}
        writer.write(
            f"GET /v1/realtime?model=standin-chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._key}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        if self._chance.random() < 0.8:
            head = await reader.readuntil(b"\r\n\r\n")
            self.done["realtime opened" if b" 101 " in head else "realtime refused"] += 1
        writer.write(frame({"type": "conversation.item.create", "item": item}) + frame({"type": "response.create"}))
        for _ in range(self._chance.randrange(4)):
            await reader.read(4096)
        if self._chance.random() < 0.5:
            writer.write(b"\x88\x82" + bytes(4) + b"\x03\xe8")  # a close frame: 1000
            while await reader.read(65_536):
                pass
        writer.transport.abort()

    async def whole(self, request: bytes) -> None:
        reader, writer = await self.open()
        writer.write(request)
        while await reader.read(65_536):
            pass
        writer.close()

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port)

    def request(self, text: str, *, model: str = "standin-chat", stream: bool = False) -> bytes:
        body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}).encode()
        close = "" if text == "hello" else "Connection: close\r\n"
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{close}\r\n"
        )
        return head.encode() + body

    def text(self) -> str:
        return self._chance.choice(
            ("What is new?", "Card 4111 1111 1111 1111", "Write to jane.roe@example.com", LONG_TEXT)
        )


def frame(event: dict[str, object]) -> bytes:
    """A text frame of a client, masked with zeros (RFC 6455 §5.2)."""
    data = json.dumps(event).encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack("!H", len(data))
    return b"\x81" + length + bytes(4) + data


async def quiet(stage: Stage, like: Census | None = None) -> Census:
    """A census once nothing goes on any more; the last one if that takes too long. ``like``: until it is like that."""
    deadline_s = time.monotonic() + (QUIET_S if like else 5.0)
    while True:
        await asyncio.sleep(1.0)
        seen = await asyncio.to_thread(census, stage)
        settled = like is not None and (
            seen.descriptors <= like.descriptors + EXTRA_DESCRIPTORS
            and seen.tasks <= like.tasks + EXTRA_TASKS
            and seen.in_flight == 0
        )
        if settled or time.monotonic() > deadline_s:
            return seen


def census(stage: Stage) -> Census:
    """Count what the outpost's processes hold."""
    root = stage.pid("outpost")
    pids = tree(root)
    alive, zombies, descriptors, sockets, threads, rss_mib = [], 0, 0, 0, 0, []
    for pid in pids:
        with suppress(OSError):  # gone meanwhile
            lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
            status = dict(line.split(":", 1) for line in lines if ":" in line)
            if status["State"].split()[0] == "Z":
                zombies += 1
                continue
            links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
            alive.append(pid)
            descriptors += len(links)
            sockets += sum(link.startswith("socket:") for link in links)
            threads += int(status["Threads"])
            rss_mib.append(round(int(status["VmRSS"].split()[0]) / 1024, 1))
    metrics = httpx.get(f"{stage.admin_url}/metrics", trust_env=False).text
    return Census(
        processes=len(alive),
        zombies=zombies,
        descriptors=descriptors,
        sockets=sockets,
        threads=threads,
        tasks=int(_metric(metrics, "outpost_tasks")),
        in_flight=int(_metric(metrics, "outpost_requests_in_flight")),
        rss_mib=tuple(sorted(rss_mib)),
    )


def _metric(metrics: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(f"{name} "))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Load an outpost with bad clients and providers, and look for leaks.")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the load goes on")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the report to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""What the outpost costs, against nothing in between and against the least a reverse proxy of its kind can cost.

    make bench [ARGS="--quick --json FILE"]

Everything runs on loopback as separate processes, loaded by the same client in small interleaved blocks (direct,
floor, outpost, floor, outpost, direct, ...), so that what else the machine does hits all of them alike.
"""

import argparse
import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench.load import LatencyClient, Requests, Target, Timing, saturate
from bench.outpost_process import CannotStart, running_outpost
from bench.processes import python_server, weigh
from bench.report import Measured, as_data, machine_facts, percentile, show

CONNECTIONS = 32
PROMPT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds over all targets, and the size of one target's block in each."""

    warmup: int
    plain_rounds: int
    plain_block: int
    stream_rounds: int
    stream_block: int
    busy_rounds: int
    busy_block_s: float


FULL = Plan(500, 200, 50, 20, 10, 12, 3.0)
QUICK = Plan(200, 30, 30, 4, 6, 3, 1.0)


@dataclass(slots=True)
class Samples:
    """What one target has shown so far."""

    target: Target
    plain_s: list[float] = field(default_factory=list)
    added_s: list[float] = field(default_factory=list)
    streams: list[Timing] = field(default_factory=list)
    answers: int = 0
    busy_s: float = 0.0
    block_rates: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    client_cpu_s: float = 0.0
    provider_cpu_s: float = 0.0
    beside_cpu_s: float = 0.0


def main() -> int:
    given = arguments()
    console = Console()
    plan = QUICK if given.quick else FULL
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=given.data_dir)))
        facts = machine_facts(directory)
        provider_url, provider_pid = stack.enter_context(python_server("bench.standin"))
        floor_url, floor_pid = stack.enter_context(python_server("bench.floor", "--upstream", provider_url))
        targets = [Target("direct", provider_url, "any"), Target("floor", floor_url, "any", floor_pid)]
        missing = None
        try:
            targets.append(stack.enter_context(running_outpost(provider_url, directory)))
        except CannotStart as err:
            missing = str(err)
        samples = [Samples(target) for target in targets]
        measure(console, plan, samples, provider_pid, given.prompt_bytes)
        measured = [finished(one, provider_pid) for one in samples]
    facts |= {"prompt": f"{given.prompt_bytes} bytes", "connections": CONNECTIONS, "plan": str(plan)}
    page = show(console, facts, measured, missing)
    if given.json:
        given.json.write_text(json.dumps(page | {"samples": as_data(measured)}, indent=1), encoding="utf-8")
    return 1 if missing else 0


def measure(console: Console, plan: Plan, samples: list[Samples], provider_pid: int, prompt_bytes: int) -> None:
    """Fill ``samples``. The bar is drawn between blocks only, so that drawing it is never measured."""
    total = 1 + plan.plain_rounds + plan.stream_rounds + plan.busy_rounds
    columns = (TextColumn("{task.description:24}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("warming up", total=total)

        def step(description: str) -> None:
            progress.update(task, advance=1, description=description)
            progress.refresh()

        warm_up(plan, samples, prompt_bytes)
        step("plain answers")
        plain_phase(plan, samples, prompt_bytes, lambda: step("plain answers"))
        stream_phase(plan, samples, prompt_bytes, lambda: step("streams"))
        busy_phase(plan, samples, provider_pid, prompt_bytes, lambda: step(f"{CONNECTIONS} connections"))


def warm_up(plan: Plan, samples: list[Samples], prompt_bytes: int) -> None:
    for one in samples:
        client = LatencyClient(Requests(one.target, prompt_bytes, stream=False))
        for _ in range(plan.warmup):
            client.plain()
        client.close()


def plain_phase(plan: Plan, samples: list[Samples], prompt_bytes: int, step: Callable[[], None]) -> None:
    clients = {one.target.name: LatencyClient(Requests(one.target, prompt_bytes, stream=False)) for one in samples}
    for turn in range(plan.plain_rounds):
        blocks: dict[str, list[float]] = {}
        for one in in_turn(samples, turn):
            client = clients[one.target.name]
            with collector_off():
                blocks[one.target.name] = [client.plain() for _ in range(plan.plain_block)]
        base_s = percentile(blocks["direct"], 50)
        for one in samples:
            one.plain_s.extend(blocks[one.target.name])
            one.added_s.extend(took_s - base_s for took_s in blocks[one.target.name])
        step()
    for client in clients.values():
        client.close()


def stream_phase(plan: Plan, samples: list[Samples], prompt_bytes: int, step: Callable[[], None]) -> None:
    clients = {one.target.name: LatencyClient(Requests(one.target, prompt_bytes, stream=True)) for one in samples}
    for turn in range(plan.stream_rounds):
        for one in in_turn(samples, turn):
            with collector_off():
                one.streams.extend(clients[one.target.name].stream() for _ in range(plan.stream_block))
        step()
    for client in clients.values():
        client.close()


def busy_phase(
    plan: Plan, samples: list[Samples], provider_pid: int, prompt_bytes: int, step: Callable[[], None]
) -> None:
    requests = {one.target.name: Requests(one.target, prompt_bytes, stream=False) for one in samples}
    for turn in range(plan.busy_rounds):
        for one in in_turn(samples, turn):
            pids = (one.target.pid or provider_pid, provider_pid, one.target.beside_pid)
            before = [weigh(pid).cpu_s if pid else 0.0 for pid in pids]
            client_before_s = time.process_time()
            answers, took_s = uvloop.run(saturate(requests[one.target.name], CONNECTIONS, plan.busy_block_s))
            one.client_cpu_s += time.process_time() - client_before_s
            after = [weigh(pid).cpu_s if pid else 0.0 for pid in pids]
            used = [later - earlier for earlier, later in zip(before, after, strict=True)]
            one.cpu_s, one.provider_cpu_s, one.beside_cpu_s = (
                so_far + more
                for so_far, more in zip((one.cpu_s, one.provider_cpu_s, one.beside_cpu_s), used, strict=True)
            )
            one.answers += answers
            one.busy_s += took_s
            one.block_rates.append(answers / took_s)
        step()


def finished(one: Samples, provider_pid: int) -> Measured:
    weight = weigh(one.target.pid or provider_pid)
    return Measured(
        name=one.target.name,
        plain_s=one.plain_s,
        added_s=one.added_s,
        streams=one.streams,
        answers=one.answers,
        busy_s=one.busy_s,
        block_rates=one.block_rates,
        cpu_s=one.cpu_s,
        client_cpu_s=one.client_cpu_s,
        provider_cpu_s=one.provider_cpu_s,
        beside_cpu_s=one.beside_cpu_s,
        rss_mib=weight.rss_mib,
        peak_rss_mib=weight.peak_rss_mib,
    )


def in_turn(samples: list[Samples], turn: int) -> list[Samples]:
    """Every round begins with another target and goes round in one of both directions."""
    start = turn % len(samples)
    order = samples[start:] + samples[:start]
    return order if random.Random(turn).random() < 0.5 else order[::-1]


class collector_off:  # noqa: N801 - reads as a statement
    """No garbage collection of the client's own inside a block."""

    def __enter__(self) -> None:
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what the outpost costs.")
    parser.add_argument("--quick", action="store_true", help="half a minute instead of some")
    parser.add_argument("--json", type=Path, help="also write figures and samples to this file")
    parser.add_argument("--prompt-bytes", type=int, default=PROMPT_BYTES)
    parser.add_argument("--data-dir", type=Path, help="where the audit log is written; the disk under it matters")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""How much more two workers serve than one, on two processors.

    make bench-workers [ARGS="--seconds 5 --rounds 6 --json FILE"]

Both outposts run beside each other and are loaded in turn by the same client. On a machine with processors to spare the
answers per second say it all. Elsewhere client, provider and whatever else runs take the processors, so processor time
is counted instead: one process serves at most 1 / (its seconds per request); several on two processors at most 2 / (the
seconds of all of them per request), and no more than the busiest allows. What client and provider use is in neither.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench.load import Requests, Target, saturate
from bench.outpost_process import running_outpost
from bench.processes import cpu_by_process, python_server
from bench.report import machine_facts

AIM = 1.7
CONNECTIONS = 32  # of each worker: an event loop with less to do at once uses more time for each
PROMPT_BYTES = 1024
PROCESSORS = 2
IDLE_TRIES = 60
IDLE_CPU_S = 0.05  # a second; pulses and the control plane take less


@dataclass(slots=True)
class Load:
    """What one outpost has served."""

    target: Target
    connections: int
    answers: int = 0
    seconds: float = 0.0
    cpu_s: dict[int, float] = field(default_factory=dict)

    def add(self, seconds: float) -> None:
        pid = self.target.pid or 0
        requests = Requests(self.target, PROMPT_BYTES, stream=False)
        before = cpu_by_process(pid)
        answers, took_s = uvloop.run(saturate(requests, self.connections, seconds))
        for one, used_s in cpu_by_process(pid).items():
            self.cpu_s[one] = self.cpu_s.get(one, 0.0) + used_s - before.get(one, 0.0)
        self.answers += answers
        self.seconds += took_s

    def figures(self, processors: int) -> dict[str, Any]:
        """Per request, in milliseconds, by process, the busiest first; and what ``processors`` could serve at most."""
        per_request_ms = sorted((used_s / self.answers * 1000 for used_s in self.cpu_s.values()), reverse=True)
        return {
            "answers": self.answers,
            "answers_per_s": self.answers / self.seconds,
            "cpu_ms_per_request": sum(per_request_ms),
            "cpu_ms_per_request_by_process": per_request_ms,
            "most_per_s": capacity_per_s(per_request_ms, processors),
        }


def await_idle(pid: int) -> None:
    """Return when a process and its children have nothing to do, or after a while."""
    for _ in range(IDLE_TRIES):
        before_s = sum(cpu_by_process(pid).values())
        time.sleep(1.0)
        if sum(cpu_by_process(pid).values()) - before_s < IDLE_CPU_S:
            return


def capacity_per_s(per_request_ms: list[float], processors: int) -> float:
    """What processes that use so much for each request (of any of them) could serve on ``processors``."""
    return 1000 / max(sum(per_request_ms) / processors, *per_request_ms)


def main() -> int:
    given = arguments()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=given.data_dir)))
        facts = machine_facts(directory)
        url, _ = stack.enter_context(python_server("bench.standin"))
        loads = []
        for workers in (1, PROCESSORS):
            target = running_outpost(
                url,
                directory / str(workers),
                name=f"{workers} workers",
                variables={"OUTPOST_WORKERS": str(workers)},
            )
            (directory / str(workers)).mkdir()
            loads.append(Load(stack.enter_context(target), workers * CONNECTIONS))
        for one in loads:
            await_idle(one.target.pid or 0)  # its detectors are still being made faster
            one.add(given.seconds)
            one.answers, one.seconds, one.cpu_s = 0, 0.0, {}  # warm
        for turn in range(given.rounds):
            for one in loads if turn % 2 else loads[::-1]:
                one.add(given.seconds)
    one, many = (load.figures(PROCESSORS) for load in loads)
    # One process runs one thread at a time: the second processor is of no use to it.
    one["most_per_s"] = 1000 / one["cpu_ms_per_request"]
    ratio = many["most_per_s"] / one["most_per_s"]
    report = {
        "facts": facts | {"prompt": f"{PROMPT_BYTES} bytes", "connections per worker": CONNECTIONS},
        "one": one,
        "two": many,
        "ratio by processor time": ratio,
        "ratio by answers per second": many["answers_per_s"] / one["answers_per_s"],
    }
    print(json.dumps(report, indent=1))
    print(f"{'pass' if ratio >= AIM else 'miss'}  two workers / one, by processor time: {ratio:.2f} (aim >= {AIM})")
    if given.json:
        given.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how workers scale.")
    parser.add_argument("--seconds", type=float, default=5.0, help="of one block")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--data-dir", type=Path, help="where the audit log is written; the disk under it matters")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

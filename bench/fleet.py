"""A fleet of simulated outposts against one real control plane: how long a publish takes to be everywhere.

``make bench-fleet`` (ARGS="--outposts 500 --json FILE"). The control plane is the product's, a process of its own with
its shipped settings; each outpost is the product's synchronisation on connections of its own (``fleet_worker.py``).
Measured: from the publish until the last outpost has verified and stored the bundle; then the same with the control
plane killed in the middle and started again. Everything shares this machine, and the outposts' own work is most of it.
"""

import argparse
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.fleet_enrol import enrol
from bench.fleet_worker import raise_file_limit
from bench.outpost_process import is_ok
from bench.processes import Weight, weigh
from bench.report import machine_facts, percentile
from control_plane.app import Opened, open_for
from control_plane.config import Config
from control_plane.defaults import default_routing
from outpost.demo.processes import Running, command, environment, free_ports, run

ORG = "acme"
ARRIVE_TIMEOUT_S = 600.0
IDLE_S = 30.0
BAR = 60


@dataclass
class Round:
    """One publish. Times in seconds from the publish's return."""

    name: str
    outposts: int
    applied_s: list[float] = field(default_factory=list)
    server_cpu_s: float = 0.0
    fleet_cpu_s: float = 0.0
    server_rss_mib: float = 0.0
    server_peak_rss_mib: float = 0.0
    requests: dict[str, int] = field(default_factory=dict)
    down_s: float = 0.0
    back_s: list[float] = field(default_factory=list)
    """After a restart: when each outpost was heard for the first time, from the moment the server answered."""

    def figures(self) -> dict[str, Any]:
        took_s = max(self.applied_s)
        return {
            "outposts": self.outposts,
            "applied": len(self.applied_s),
            **{f"applied_p{percent}_s": round(percentile(self.applied_s, percent), 2) for percent in (50, 99)},
            "applied_max_s": round(took_s, 2),
            "requests": sum(self.requests.values()),
            "requests_per_s": round(sum(self.requests.values()) / took_s),
            "by_status": {key: self.requests[key] for key in sorted(self.requests)},
            "server_cpu_s": round(self.server_cpu_s, 2),
            "server_cpu_ms_per_outpost": round(1000 * self.server_cpu_s / self.outposts, 2),
            "fleet_cpu_s": round(self.fleet_cpu_s, 1),
            "server_rss_mib": round(self.server_rss_mib),
            "server_peak_rss_mib": round(self.server_peak_rss_mib),
            **({"down_s": round(self.down_s, 2)} if self.down_s else {}),
        }


class Plane:
    """The control plane as a process, its database open here too for the enrolments and the publishing."""

    def __init__(self, directory: Path, settings: dict[str, str]) -> None:
        platform, sync = free_ports(2)
        self.urls = (f"https://127.0.0.1:{platform}", f"https://127.0.0.1:{sync}")
        self.log = directory / "control-plane.log"
        self._settings = {
            "CONTROL_PLANE_DATA_DIR": str(directory / "control-plane"),
            "CONTROL_PLANE_SERVER_NAMES": '["127.0.0.1"]',
            "CONTROL_PLANE_PLATFORM_HOST": "127.0.0.1",
            "CONTROL_PLANE_PLATFORM_PORT": str(platform),
            "CONTROL_PLANE_OUTPOST_HOST": "127.0.0.1",
            "CONTROL_PLANE_OUTPOST_PORT": str(sync),
        } | settings
        run([command("control-plane"), "init", "--org", ORG, "--json"], self._settings, directory)
        serve = [command("control-plane"), "serve"]
        self._process = Running("control-plane", serve, self._settings, directory, self.log)
        self.opened: Opened = open_for(Config(data_dir=directory / "control-plane"))
        self._published = 0

    @property
    def pid(self) -> int:
        assert self._process.process is not None
        return self._process.process.pid

    def start(self) -> None:
        self._process.start(lambda: is_ok(f"{self.urls[0]}/readyz"))

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> None:
        self._process.stop()
        self.opened.close()

    def publish(self) -> tuple[int, float]:
        """A new bundle; its version, and when it was there."""
        self._published += 1
        routing = default_routing(f"https://provider-{self._published}.example/v1")
        version = self.opened.operations.publish(ORG, {"routing.json": routing})
        return version, time.monotonic()

    def requests(self) -> Iterator[dict[str, Any]]:
        """Every request so far."""
        return requests_in(self.log)


def requests_in(log: Path) -> Iterator[dict[str, Any]]:
    """Every request in a control plane's log, with ``arrived_s`` and ``ended_s``, seconds of the wall clock."""
    for line in log.read_text().splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") == "request":
            ended = datetime.fromisoformat(entry["timestamp"]).timestamp()
            yield entry | {"arrived_s": ended - entry["duration_ms"] / 1000, "ended_s": ended}


class Fleet:
    """The outposts, in worker processes, and what they have reported."""

    def __init__(self, processes: Sequence["subprocess.Popen[bytes]"], outposts: int) -> None:
        self._processes, self.outposts = processes, outposts
        self._selector = selectors.DefaultSelector()
        for process in processes:
            assert process.stdout is not None
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, bytearray())
        self.applied: dict[int, dict[int, float]] = {}

    def await_applied(self, version: int, enough: int, timeout_s: float = ARRIVE_TIMEOUT_S) -> dict[int, float]:
        """When each outpost had ``version`` or a newer one, as soon as ``enough`` have."""
        until_s = time.monotonic() + timeout_s
        while len(self._having(version)) < enough:
            for key, _ in self._selector.select(0.05):
                self._read(key)
            if time.monotonic() > until_s:
                raise TimeoutError(f"{len(self._having(version))} of {enough} have version {version}")
            assert all(process.poll() is None for process in self._processes), "a worker has died"
        return self._having(version)

    def close(self) -> None:
        """Hear no more of them."""
        self._selector.close()

    def weigh(self) -> Weight:
        weights = [weigh(process.pid) for process in self._processes]
        return Weight(*(sum(getattr(one, name) for one in weights) for name in ("cpu_s", "rss_mib", "peak_rss_mib")))

    def _having(self, version: int) -> dict[int, float]:
        return self.applied.get(version, {})

    def _read(self, key: selectors.SelectorKey) -> None:
        data = os.read(key.fd, 1 << 20)
        lines = (key.data + data).split(b"\n")
        key.data[:] = lines.pop()
        for line in lines:
            entry = json.loads(line)
            self.applied.setdefault(entry["version"], {}).setdefault(entry["outpost"], entry["at_s"])


@contextmanager
def running_fleet(directory: Path, outposts: int, workers: int, ramp_s: float) -> Iterator[Fleet]:
    """``outposts`` enrolled under ``directory``, at work until the block ends."""
    share = -(-outposts // workers)
    processes = []
    try:
        for first in range(0, outposts, share):
            count = min(share, outposts - first)
            arguments = ["--directory", directory, "--first", first, "--count", count, "--ramp-s", ramp_s]
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "bench.fleet_worker", *map(str, arguments)],
                    stdout=subprocess.PIPE,
                    cwd=Path(__file__).resolve().parents[1],
                    env=environment({}),
                )
            )
        fleet = Fleet(processes, outposts)
        yield fleet
        fleet.close()
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


def one_round(name: str, plane: Plane, fleet: Fleet, kill_after: float | None = None) -> Round:
    """Publish and wait for all; ``kill_after`` kills the control plane once this share has the bundle."""
    result = Round(name, fleet.outposts)
    before, fleet_before, began_at = weigh(plane.pid), fleet.weigh(), time.time()
    version, published_s = plane.publish()
    if kill_after is not None:
        fleet.await_applied(version, max(1, int(kill_after * fleet.outposts)))
        result.server_cpu_s += weigh(plane.pid).cpu_s - before.cpu_s
        killed_s = time.monotonic()
        plane.kill()
        plane.start()
        result.down_s = time.monotonic() - killed_s
        before, back_at = Weight(0, 0, 0), time.time()
    applied = fleet.await_applied(version, fleet.outposts)
    result.applied_s = sorted(at_s - published_s for at_s in applied.values())
    if kill_after is not None:
        time.sleep(5)  # for those who had it before and come back only to wait
        first: dict[str, float] = {}
        for entry in plane.requests():
            if entry["arrived_s"] > back_at - result.down_s and entry["outpost"]:
                first.setdefault(entry["outpost"], entry["arrived_s"] - back_at)
        result.back_s = sorted(first.values())
    after = weigh(plane.pid)
    result.server_cpu_s += after.cpu_s - before.cpu_s
    result.fleet_cpu_s = fleet.weigh().cpu_s - fleet_before.cpu_s
    result.server_rss_mib, result.server_peak_rss_mib = after.rss_mib, after.peak_rss_mib
    for entry in plane.requests():
        if entry["ended_s"] >= began_at:
            status = str(entry["status"])
            result.requests[status] = result.requests.get(status, 0) + 1
    return result


def idle(plane: Plane, seconds: float) -> dict[str, float]:
    """What waiting costs the control plane, heartbeats included."""
    before = weigh(plane.pid)
    time.sleep(seconds)
    after = weigh(plane.pid)
    return {"cpu_percent": round(100 * (after.cpu_s - before.cpu_s) / seconds, 1), "rss_mib": round(after.rss_mib)}


def histogram(times_s: Sequence[float], title: str, rows: int = 20) -> str:
    """Text bars: how many at which moment."""
    low, high = min(times_s), max(times_s)
    width = max((high - low) / rows, 0.1)
    counts = [0] * (int((high - low) / width) + 1)
    for one in times_s:
        counts[int((one - low) / width)] += 1
    top = max(counts)
    lines = [f"{title} (each row {width:.2f} s)"]
    lines += [
        f"{low + number * width:8.1f} s {count:5d} {'#' * round(BAR * count / top)}"
        for number, count in enumerate(counts)
    ]
    return "\n".join(lines)


def _fast_directory() -> str | None:
    """For the outposts' files, each of which is made durable: the disk is to be the control plane's alone."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def measure(
    directory: Path, outposts: int, workers: int, *, ramp_s: float, idle_s: float, settings: dict[str, str]
) -> tuple[list[Round], dict[str, Any]]:
    """All rounds, and the facts around them."""
    raise_file_limit()
    with ExitStack() as stack:
        plane = Plane(directory, settings)
        stack.callback(plane.stop)
        started = time.monotonic()
        fleet_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-", dir=_fast_directory())))
        enrol(plane.opened.operations, ORG, fleet_dir / "outposts", outposts, plane.urls)
        facts: dict[str, Any] = {"enrolled_s": round(time.monotonic() - started, 1)}
        plane.start()
        started = time.monotonic()
        fleet = stack.enter_context(running_fleet(fleet_dir / "outposts", outposts, workers, ramp_s))
        version = plane.opened.operations.policy.audiences([ORG])[ORG].stable
        fleet.await_applied(version, outposts)
        facts["first_bundle_everywhere_s"] = round(time.monotonic() - started, 1)
        facts["idle"] = idle(plane, idle_s)
        rounds = [one_round("publish", plane, fleet)]
        rounds.append(one_round("publish, server killed in the middle", plane, fleet, kill_after=0.25))
        return rounds, facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outposts", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--ramp-s", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleet-") as directory:
        rounds, facts = measure(
            Path(directory), arguments.outposts, arguments.workers, ramp_s=arguments.ramp_s, idle_s=IDLE_S, settings={}
        )
        facts = machine_facts(Path(directory)) | facts
    for one in rounds:
        print(f"\n{one.name}")
        for name, value in one.figures().items():
            print(f"  {name:28} {value}")
        print(histogram(one.applied_s, "applied, seconds after the publish"))
        if one.back_s:
            print(histogram(one.back_s, "heard again, seconds after the control plane answered again"))
    print("\n" + "\n".join(f"{name}: {value}" for name, value in facts.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({"facts": facts, "rounds": [asdict(one) for one in rounds]}, indent=1))


if __name__ == "__main__":
    main()

"""Figures out of samples, and the page that shows them beside their aims."""

import math
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.load import Timing

# Aims of the first version, on an idle machine with a 1 KB prompt.
AIM_ADDED_P50_RATIO = 1.6
AIM_THROUGHPUT_RATIO = 0.6
AIM_ADDED_P99_MS = 2.0
AIM_FIRST_BYTE_RATIO = 1.5  # of what a stream's first byte is later by than without anything in between
PERCENTS = (50, 90, 99)


def percentile(samples: list[float], percent: float) -> float:
    """Nearest rank: the smallest sample that at least ``percent`` of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Measured:
    """All samples of one target. Times in seconds; ``added_s`` counts from direct's median of the same round."""

    name: str
    plain_s: list[float]
    added_s: list[float]
    streams: list[Timing]
    answers: int
    busy_s: float
    block_rates: list[float]
    cpu_s: float
    client_cpu_s: float
    provider_cpu_s: float
    beside_cpu_s: float
    rss_mib: float
    peak_rss_mib: float

    def figures(self) -> dict[str, float | None]:
        """Milliseconds, answers per second and MiB, by name."""
        made: dict[str, float | None] = {}
        for percent in PERCENTS:
            made[f"latency_p{percent}_ms"] = percentile(self.plain_s, percent) * 1000
            made[f"added_p{percent}_ms"] = percentile(self.added_s, percent) * 1000
        for name in ("first_byte_s", "first_text_s", "end_s"):
            samples = [getattr(timing, name) for timing in self.streams]
            made[f"stream_{name.removesuffix('_s')}_p50_ms"] = percentile(samples, 50) * 1000
            made[f"stream_{name.removesuffix('_s')}_p99_ms"] = percentile(samples, 99) * 1000
        made["requests_per_s"] = self.answers / self.busy_s
        made["requests_per_s_worst_block"] = min(self.block_rates)
        made["requests_per_s_best_block"] = max(self.block_rates)
        made["cpu_ms_per_request"] = self.cpu_s / self.answers * 1000
        made["client_cpu_ms_per_request"] = self.client_cpu_s / self.answers * 1000
        made["provider_cpu_ms_per_request"] = self.provider_cpu_s / self.answers * 1000
        made["control_plane_cpu_ms_per_request"] = self.beside_cpu_s / self.answers * 1000
        made["rss_mib"] = self.rss_mib
        made["peak_rss_mib"] = self.peak_rss_mib
        return made


ROWS = [
    ("plain answer, 1 connection", None, ""),
    ("  latency p50", "latency_p50_ms", "ms"),
    ("  added p50", "added_p50_ms", "ms"),
    ("  added p90", "added_p90_ms", "ms"),
    ("  added p99", "added_p99_ms", "ms"),
    ("stream, 1 connection", None, ""),
    ("  first byte p50", "stream_first_byte_p50_ms", "ms"),
    ("  first byte p99", "stream_first_byte_p99_ms", "ms"),
    ("  first text p50", "stream_first_text_p50_ms", "ms"),
    ("  last byte p50", "stream_end_p50_ms", "ms"),
    ("throughput", None, ""),
    ("  requests/s", "requests_per_s", ""),
    ("  requests/s, worst block", "requests_per_s_worst_block", ""),
    ("  requests/s, best block", "requests_per_s_best_block", ""),
    ("  its CPU per request", "cpu_ms_per_request", "ms"),
    ("  the client's CPU per request", "client_cpu_ms_per_request", "ms"),
    ("  the provider's CPU per request", "provider_cpu_ms_per_request", "ms"),
    ("  the control plane's CPU per request", "control_plane_cpu_ms_per_request", "ms"),
    ("memory after the load", None, ""),
    ("  RSS", "rss_mib", "MiB"),
    ("  peak RSS", "peak_rss_mib", "MiB"),
]


def aims(figures: dict[str, dict[str, float | None]]) -> list[dict[str, Any]]:
    """Each aim with its result; empty if the outpost was not measured."""
    if "outpost" not in figures:
        return []
    mine, floor = figures["outpost"], figures["floor"]
    results = [
        ("added p50 / floor's", _ratio(mine, floor, "added_p50_ms"), "<=", AIM_ADDED_P50_RATIO, "x"),
        ("requests/s / floor's", _ratio(mine, floor, "requests_per_s"), ">=", AIM_THROUGHPUT_RATIO, "x"),
        ("added p99", mine["added_p99_ms"] or 0.0, "<", AIM_ADDED_P99_MS, "ms"),
    ]
    if "direct" in figures:
        base_ms = figures["direct"]["stream_first_byte_p50_ms"] or 0.0
        added_ms = [(of["stream_first_byte_p50_ms"] or 0.0) - base_ms for of in (mine, floor)]
        ratio = added_ms[0] / max(added_ms[1], 1e-9)
        results.append(("a stream's added first byte p50 / floor's", ratio, "<=", AIM_FIRST_BYTE_RATIO, "x"))
    holds = {"<=": lambda got, aim: got <= aim, ">=": lambda got, aim: got >= aim, "<": lambda got, aim: got < aim}
    return [
        {"name": name, "result": got, "aim": f"{sign} {aim:g} {unit}", "unit": unit, "met": holds[sign](got, aim)}
        for name, got, sign, aim, unit in results
    ]


def show(console: Console, facts: dict[str, Any], measured: list[Measured], missing: str | None) -> dict[str, Any]:
    """Print the page; gives the same as data."""
    figures = {one.name: one.figures() for one in measured}
    table = Table(title=None, box=None, pad_edge=False)
    table.add_column("")
    for name in figures:
        table.add_column(name, justify="right")
    if "outpost" in figures:
        table.add_column("outpost / floor", justify="right")
    for title, key, unit in ROWS:
        if key is None:
            table.add_row(f"[bold]{title}[/bold]")
            continue
        cells = ["" if _idle(name, key) else _number(values[key], unit) for name, values in figures.items()]
        if "outpost" in figures:
            ratio = _ratio(figures["outpost"], figures["floor"], key)
            cells.append("" if _idle("floor", key) else f"{ratio:.2f}")
        table.add_row(title, *cells)
    console.print(table)
    reached = aims(figures)
    for aim in reached:
        verdict = "[green]pass[/green]" if aim["met"] else "[red]miss[/red]"
        console.print(f"{verdict}  {aim['name']}: {aim['result']:.2f} {aim['unit']} (aim {aim['aim']})")
    if missing:
        console.print(f"[yellow]The outpost was not measured: {missing}[/yellow]")
    console.print("added = latency minus direct's median of the same round", style="dim")
    for name, value in facts.items():
        console.print(f"{name}: {value}", style="dim", highlight=False)
    return {"facts": facts, "figures": figures, "aims": reached, "missing": missing}


def machine_facts(directory: Path) -> dict[str, Any]:
    """What the figures depend on. Nothing that names the machine."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = {line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")}
    return {
        "commit": _git("rev-parse", "--short=12", "HEAD") + ("+changes" if _git("status", "--porcelain") else ""),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": f"{os.cpu_count()} x {', '.join(sorted(models)) or platform.machine()}",
        "load before": " ".join(f"{one:.2f}" for one in os.getloadavg()),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "uvloop")),
        "audit on": f"{_file_system(directory)}, one fsync costs {_fsync_ms(directory):.2f} ms (median)",
    }


def as_data(measured: list[Measured]) -> list[dict[str, Any]]:
    """The samples themselves, for a file."""
    return [asdict(one) for one in measured]


def _idle(name: str, key: str) -> bool:
    """True for figures of a process that is not there, or that are zero by definition."""
    if key.startswith("control_plane"):
        return name != "outpost"
    return name == "direct" and key.startswith(("cpu", "rss", "peak", "added"))


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if not unit else f"{value:,.3f} {unit}" if unit == "ms" else f"{value:,.1f} {unit}"


def _ratio(mine: dict[str, float | None], floor: dict[str, float | None], key: str) -> float:
    return (mine[key] or 0.0) / (floor[key] or float("inf"))


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parent
    )
    return done.stdout.strip() or ("unknown" if done.returncode else "")


def _file_system(directory: Path) -> str:
    """The type of the file system that holds ``directory``."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    holding = [(point, kind) for point, kind in mounts if directory.resolve().is_relative_to(point)]
    return max(holding, key=lambda one: len(one[0]))[1]


def _fsync_ms(directory: Path) -> float:
    """Median of 50 appends of 4 KiB, each made durable."""
    took: list[float] = []
    path = directory / "fsync-probe"
    with path.open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - started) * 1000)
    path.unlink()
    return percentile(took, 50)

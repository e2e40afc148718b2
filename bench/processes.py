"""The processes under measurement: started, awaited, weighed through /proc, and ended by their own id."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LISTENING = "listening on "
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STOP_WAIT_S = 10.0


def server_arguments(description: str, *, upstream: bool = False) -> argparse.Namespace:
    """Command line of the small servers here."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0)
    if upstream:
        parser.add_argument("--upstream", required=True)
    return parser.parse_args()


def announce(port: int) -> None:
    print(f"{LISTENING}http://127.0.0.1:{port}", flush=True)


@dataclass(frozen=True, slots=True)
class Weight:
    """What a process and its children used so far: CPU in seconds, memory in MiB now and at its highest."""

    cpu_s: float
    rss_mib: float
    peak_rss_mib: float


def weigh(pid: int) -> Weight:
    """Sum over ``pid`` and all its descendants."""
    cpu_s = rss_kib = peak_kib = 0.0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{one}/status").read_text()
        except FileNotFoundError:
            continue
        cpu_s += (int(fields[11]) + int(fields[12])) / TICKS_PER_S  # utime and stime, proc(5)
        rss_kib += _kib(status, "VmRSS")
        peak_kib += _kib(status, "VmHWM")
    return Weight(cpu_s, rss_kib / 1024, peak_kib / 1024)


def cpu_by_process(pid: int) -> dict[int, float]:
    """CPU seconds that ``pid`` and each of its descendants used so far."""
    used = {}
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        used[one] = (int(fields[11]) + int(fields[12])) / TICKS_PER_S  # utime and stime, proc(5)
    return used


@contextmanager
def python_server(module: str, *arguments: str) -> Iterator[tuple[str, int]]:
    """Run ``python -m module`` until the block ends; gives its base URL and process id."""
    with running([sys.executable, "-m", module, *arguments]) as process:
        yield await_listening(process, module), process.pid


@contextmanager
def running(
    command: Sequence[str], *, environment: dict[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a command until the block ends, then terminate it, by force if it does not go."""
    with (log or Path(os.devnull)).open("ab") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=Path(__file__).resolve().parents[1],
            env=os.environ | (environment or {}),
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def await_listening(process: subprocess.Popen[str], name: str) -> str:
    """The URL that a server of ours prints as its first line."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(LISTENING):
        raise RuntimeError(f"{name} did not start: {line!r}")
    return line.removeprefix(LISTENING).strip()


def tree(pid: int) -> list[int]:
    """``pid`` and all that descends from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def _kib(status: str, name: str) -> int:
    line = next((line for line in status.splitlines() if line.startswith(f"{name}:")), f"{name}: 0")
    return int(line.split()[1])

"""How long a new connection waits while one program follows another (SIGUSR2), and what of that is processor time.

``python -m bench.upgrade [--rounds N] [--workers N]``: real processes on loopback, a client that asks on a new
connection every 20 ms. The wait is of the clock and depends on what else the machine does; the processor time of the
first process, from the last answer of the old program to the first of the new one, does not.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import httpx

from outpost.demo.stage import Stage

PAUSE_S = 0.02


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(stage: Stage) -> float:
    with httpx.Client(timeout=120, trust_env=False, verify=False) as http:
        began_s = time.monotonic()
        body = {"model": stage.provider.model, "messages": [{"role": "user", "content": "What is new?"}]}
        headers = {"Authorization": f"Bearer {stage.api_key}"}
        answer = http.post(f"{stage.base_url}/chat/completions", headers=headers, json=body)
        answer.raise_for_status()
        return time.monotonic() - began_s


def upgrade(stage: Stage, pid: int) -> tuple[float, float, float]:
    """Longest wait, processor time in it, and the wait in the middle of all others."""
    log = stage.directory / "outpost.log"
    starts = log.read_text().count('"listening"')
    os.kill(pid, signal.SIGUSR2)
    waits = []
    while log.read_text().count('"listening"') == starts or len(waits) < 10:
        before_s = cpu_s(pid)
        waits.append((ask(stage), cpu_s(pid) - before_s))
        time.sleep(PAUSE_S)
    longest_s, used_s = max(waits)
    return longest_s, used_s, sorted(waits)[len(waits) // 2][0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        variables = {"OUTPOST_WORKERS": str(options.workers), "OUTPOST_KEEPALIVE_TIMEOUT_S": "2"}
        stage = Stage(Path(folder), outpost_variables=variables)
        try:
            stage.start_provider()
            stage.init_control_plane()
            stage.serve_control_plane()
            stage.enrol("upgrade")
            stage.run_outpost()
            print(f"{options.workers} worker(s), load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
            for number in range(options.rounds):
                longest_s, used_s, usual_s = upgrade(stage, stage.pid("outpost"))
                print(
                    f"upgrade {number + 1}: a new connection waited {longest_s:.2f} s at most "
                    f"(usually {usual_s:.3f} s), of which the first process computed {used_s:.2f} s"
                )
        finally:
            stage.close()


if __name__ == "__main__":
    sys.exit(main())

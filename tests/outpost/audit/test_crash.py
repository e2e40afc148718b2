"""kill -9 at any moment: every acknowledged event is in a log that verifies.

``OUTPOST_CRASH_ROUNDS`` (default 30) sets how often; a log lives through ``ROUNDS_PER_LOG`` of them.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from outpost.audit.log import open_log
from outpost.audit.read import read_events
from outpost.audit.verify import verify_log
from tests.fakes.audit import AT, ORIGIN, RECEIPTS, SIGNER

ROUNDS = int(os.environ.get("OUTPOST_CRASH_ROUNDS", "30"))
ROUNDS_PER_LOG = 6
ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("append_forever.py")


@pytest.mark.timeout(60 + 3 * ROUNDS)
def test_kill_9_loses_no_acknowledged_event(tmp_path):
    chance = random.Random(20260301)
    for first in range(0, ROUNDS, ROUNDS_PER_LOG):
        path = tmp_path / f"audit-{first}.db"
        acknowledged = set()
        for number in range(first, min(first + ROUNDS_PER_LOG, ROUNDS)):
            acknowledged |= _run_and_kill(path, (1, 4, 32)[number % 3], chance.uniform(0.0, 0.1))
            report = verify_log(path, SIGNER.verifier, RECEIPTS.verifier)
            assert report.problems == ()
            assert acknowledged <= set(range(report.size))
        assert [seq for seq, _ in read_events(path)] == list(range(report.size))
        open_log(path, SIGNER, ORIGIN, clock=lambda: AT).close()
        assert verify_log(path, SIGNER.verifier).size == report.size  # nothing to quarantine after any of them


def _run_and_kill(path, appenders, after_s):
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(path), str(appenders)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with child:
        first = child.stdout.readline()  # it is working
        time.sleep(after_s)
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
    lines = (first + rest).split(b"\n")
    assert first, "the child appended nothing"
    return {int(line) for line in lines[:-1]}

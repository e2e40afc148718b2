"""A short soak: descriptors, sockets, tasks and children that are left over show at once; memory takes minutes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.soak import Census, verdict
from tests.architecture.repository import ROOT

BEFORE = Census(3, 0, 70, 20, 12, 10, 0, (130.0, 140.0))


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_twenty_seconds_of_bad_company_leave_nothing_behind(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = ["--seconds", "20", "--clients", "12", "--json", str(report)]
    command = [sys.executable, "-m", "bench.soak", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = json.loads(report.read_text())
    assert (done.returncode, said["problems"]) == (0, [])
    assert sum(said["did"].values()) > 50


class Well:
    """A stage on which everything else is well."""

    def health(self):
        return {"state": "green", "workers": {"ended_unasked": 0}}

    def ask(self, _text):
        class Answer:
            status_code = 200

        return Answer()

    def stop(self, _name):
        return None

    def outpost(self, *_arguments):
        return '{"ok": true}'


@pytest.mark.parametrize(
    ("after", "problems"),
    [
        (BEFORE, 0),
        (Census(3, 0, 73, 23, 40, 13, 0, (150.0, 160.0)), 0),
        (Census(4, 0, 70, 20, 12, 10, 0, (130.0, 140.0)), 1),
        (Census(3, 1, 70, 20, 12, 10, 0, (130.0, 140.0)), 1),
        (Census(3, 0, 90, 30, 12, 20, 1, (130.0, 140.0)), 4),
        (Census(3, 0, 70, 20, 12, 10, 0, (130.0, 170.0)), 1),
    ],
)
def test_the_verdict_names_what_is_left_over(after: Census, problems: int) -> None:
    assert len(verdict(Well(), BEFORE, BEFORE, after)) == problems

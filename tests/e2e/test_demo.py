"""The demo is the promise of the README: every line must come true, with nothing but installed commands."""

import os
import subprocess
from pathlib import Path

import pytest

from outpost.demo.processes import command


def descendants(pid: int) -> list[Path]:
    """The folders in /proc of every process below that one."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text("ascii").split()):
            found += [Path(f"/proc/{child}"), *descendants(child)]
    return found


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_every_line_comes_true_and_a_terminated_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    started = subprocess.Popen(
        [command("outpost"), "demo"],
        env={**os.environ, "COLUMNS": "300", "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert started.stdout is not None
        told = []
        for line in started.stdout:
            told.append(line)
            if line.startswith("Ctrl-C ends it"):
                break
        assert told[-1].startswith("Ctrl-C ends it"), "".join(told)
        children = descendants(started.pid)
        files = list(tmp_path.glob("outpost-demo-*"))
        started.terminate()
        rest, _ = started.communicate(timeout=60)
    finally:
        started.kill()

    text = "".join(told)
    assert started.returncode == 0, text + rest
    assert text.count("✔") == 13
    assert "✘" not in text
    assert "the provider received: Write a reply to [REDACTED:pii.email], please." in text
    assert len(children) >= 3  # provider, control plane, outpost
    assert files
    assert not any(map(Path.exists, [*children, *files]))


@pytest.mark.e2e
def test_a_line_that_does_not_come_true_ends_with_1(tmp_path: Path) -> None:
    """Nothing answers at that URL, so the first chat cannot be answered."""
    environment = {**os.environ, "OUTPOST_PROVIDER_URL": "http://127.0.0.1:9/v1", "COLUMNS": "300"}
    done = subprocess.run(
        [command("outpost"), "demo", "--once"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "✘  4  An ordinary chat is answered" in done.stdout
    assert "provider_unavailable" in done.stdout

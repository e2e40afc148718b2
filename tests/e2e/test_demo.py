"""The demo is the promise of the README: every line must come true, with nothing but installed commands."""

import os
import subprocess
from pathlib import Path

import pytest

from outpost.demo.processes import command


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_every_line_comes_true(tmp_path: Path) -> None:
    done = subprocess.run(
        [command("outpost"), "demo", "--once"],
        env={**os.environ, "COLUMNS": "300"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✔") == 13
    assert "✘" not in done.stdout
    assert "the provider received: Write a reply to [REDACTED:pii.email], please." in done.stdout


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

"""The conformance command line, run as a process of its own for every command, without a second's import each time.

One process loads the program once and forks for every command (``serve`` below is its main). It runs under
libfaketime, whose clock is a file, so that a test sets the time from outside; without libfaketime such tests skip.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


def serve() -> None:
    """Read one command per line from standard input, run it in a child, write its exit status and standard error."""
    from outpost.policy.conformance import main  # noqa: PLC0415 - loaded once, here

    for line in sys.stdin:
        command = json.loads(line)
        child = os.fork()
        if child == 0:
            error = os.open(command["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(error, 2)
            status = 70  # EX_SOFTWARE: it did not end the way a command ends
            try:
                status = main(command["arguments"])
            except SystemExit as end:
                status = end.code
            finally:
                sys.stderr.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


def faketime_library() -> Path | None:
    """Where libfaketime is, if it is."""
    return next((path for pattern in _LIBRARIES for path in Path("/").glob(pattern.lstrip("/"))), None)


class CommandLine:
    """The running processes, one at the real time and one whose clock is set; they serve a whole test session."""

    def __init__(self, directory: Path) -> None:
        self._clock = directory / "clock"
        self._stderr = directory / "stderr"
        self._real = _start(dict(os.environ))
        self._fake: subprocess.Popen[str] | None = None
        self.stderr = ""

    def __call__(self, *arguments: str, at: datetime | None = None) -> int:
        """Run one command with the clock at ``at`` (default: the real time); return its exit status."""
        process = self._real if at is None else self._at(at)
        process.stdin.write(json.dumps({"arguments": arguments, "stderr": str(self._stderr)}) + "\n")
        process.stdin.flush()
        status = int(process.stdout.readline())
        self.stderr = self._stderr.read_text(errors="replace")
        assert "Traceback" not in self.stderr, self.stderr
        return status

    def close(self) -> None:
        """End the processes."""
        for process in (self._real, self._fake):
            if process is not None:
                process.stdin.close()
                process.wait(timeout=10)
                process.stdout.close()

    def _at(self, at: datetime) -> subprocess.Popen[str]:
        library = faketime_library()
        if library is None:
            pytest.skip("needs libfaketime")
        self._clock.write_text(f"{at:%Y-%m-%d %H:%M:%S}\n")
        if self._fake is None:
            # The file is read at every look at the clock: slow, so only those who set it pay for it.
            settings = {"FAKETIME_TIMESTAMP_FILE": str(self._clock), "FAKETIME_NO_CACHE": "1", "TZ": "UTC"}
            preload = {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            self._fake = _start(os.environ | settings | preload)
        return self._fake


def _start(environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from tests.fakes.tuf_cli import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )


class CliClient:
    """One client directory against one server."""

    def __init__(self, run: CommandLine, url: str, directory: Path) -> None:
        self.run = run
        self.url = url
        self.directory = directory
        self.metadata_dir = directory / "metadata"
        self.target_dir = directory / "targets"
        self.metadata_dir.mkdir(parents=True, exist_ok=True)
        self.target_dir.mkdir(exist_ok=True)

    def init(self, root: bytes) -> int:
        """Trust ``root``."""
        path = self.directory / "initial_root.json"
        path.write_bytes(root)
        return self.run("--metadata-dir", str(self.metadata_dir), "init", str(path))

    def refresh(self, at: datetime | None = None) -> int:
        """Refresh the top-level roles."""
        return self.run(*self._metadata_options(), "refresh", at=at)

    def download(self, *names: str, at: datetime | None = None) -> int:
        """Download artifacts."""
        wanted = [argument for name in names for argument in ("--target-name", name)]
        places = ("--target-base-url", f"{self.url}/targets/", "--target-dir", str(self.target_dir))
        return self.run(*self._metadata_options(), *wanted, *places, "download", at=at)

    def roles(self) -> dict[str, int]:
        """Versions of the trusted roles, by file name without ``.json``."""
        return {
            path.name.removesuffix(".json"): json.loads(path.read_bytes())["signed"]["version"]
            for path in sorted(self.metadata_dir.glob("*.json"))
        }

    def artifacts(self) -> list[bytes]:
        """Contents of the artifacts, oldest first."""
        files = [path for path in self.target_dir.rglob("*") if path.is_file()]
        return [path.read_bytes() for path in sorted(files, key=lambda path: path.stat().st_mtime_ns)]

    def _metadata_options(self) -> tuple[str, ...]:
        return ("--metadata-url", f"{self.url}/metadata/", "--metadata-dir", str(self.metadata_dir))

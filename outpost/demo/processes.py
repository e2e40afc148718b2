"""The demo's processes: started in an environment of their own, killed by id, their output kept for when one fails."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

START_TIMEOUT_S: Final = 60.0  # a cold start on a busy small machine; the usual time is about two seconds
STOP_TIMEOUT_S: Final = 15.0
POLL_S: Final = 0.05
_OUR_PREFIXES: Final = ("OUTPOST_", "CONTROL_PLANE_")


class DemoFailed(Exception):
    """A line of the story did not come true; the message says what was seen instead."""


def command(name: str) -> str:
    """The console script installed beside the running interpreter, else on the path.

    Raises:
        DemoFailed: It is not installed.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise DemoFailed(f"the command {name} is not installed; run `make demo` or `pip install .` first")
    return found


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with none of our own variables but ``settings``."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OUR_PREFIXES)} | dict(settings)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def run(arguments: list[str], settings: Mapping[str, str], directory: Path, *, expect: int = 0) -> str:
    """Run a command to its end and return its standard output.

    Raises:
        DemoFailed: It did not end with ``expect``; its standard error is in the message.
    """
    done = subprocess.run(  # noqa: S603 - our own console scripts
        arguments,
        env=environment(settings),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_TIMEOUT_S,
    )
    if done.returncode != expect:
        called = " ".join([Path(arguments[0]).name, *arguments[1:3]])
        raise DemoFailed(f"`{called}` ended with {done.returncode}, not {expect}: {done.stderr.strip()}")
    return done.stdout


@dataclass
class Running:
    """One child process. Its output goes to a file, because a full pipe would stop it."""

    name: str
    arguments: list[str]
    settings: Mapping[str, str]
    directory: Path
    log_file: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    def start(self, is_up: Callable[[], bool]) -> float:
        """Start it and wait until ``is_up``; returns the seconds that took.

        Raises:
            DemoFailed: It ended or did not come up in time.
        """
        started = time.monotonic()
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own console scripts
                self.arguments,
                env=environment(self.settings),
                cwd=self.directory,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while time.monotonic() - started < START_TIMEOUT_S:
            if self.process.poll() is not None:
                raise DemoFailed(f"{self.name} ended with {self.process.returncode}: {self.last_words()}")
            if is_up():
                return time.monotonic() - started
            time.sleep(POLL_S)
        raise DemoFailed(f"{self.name} did not come up within {START_TIMEOUT_S:g} s: {self.last_words()}")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def last_words(self) -> str:
        """The end of what it printed."""
        if not self.log_file.exists():
            return "(it printed nothing)"
        return self.log_file.read_text("utf-8", "replace").strip()[-800:]

"""From one program to the next in the same process: first rehearsed, then become (SIGUSR2, ADR 0013).

The next program is what the command line of this one names now: another version in the same place, or the same with
other settings. The rehearsal runs it with ``--check``; only if that ends well is anything of the running one given up.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import structlog

from outpost import listen_fds
from outpost.config import Config
from outpost.doors import Doors, Named
from outpost.errors import OutpostError, Unavailable
from outpost.proxy.listener import bind

REHEARSAL_S: Final = 120.0  # an interpreter, all imports and a large bundle on a slow, busy machine
FRESH_S: Final = 1.0  # whoever has connected and not asked yet gets so long to ask
_SAID_CHARS: Final = 1_000  # of what a rehearsal that failed has printed

_log = structlog.get_logger(__name__)


class NotUpgraded(OutpostError):
    """The next program would not start, or not serve as this one does. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the next program is compared with."""

    config: Config
    doors: Doors
    enforces: bool
    """A policy is in force."""


def command_line() -> list[str]:
    """What started this program, to be run again from the same directory.

    A script goes by its own first line, which may have changed with it; anything else by this interpreter.
    """
    script = Path(sys.argv[0])
    if script.is_file() and os.access(script, os.X_OK):
        return [str(script.absolute()), *sys.argv[1:]]
    return [sys.executable, *sys.orig_argv[1:]]


async def rehearse(command: Sequence[str], running: Running, *, timeout_s: float = REHEARSAL_S) -> str:
    """Find out whether the next program would take over well; its version.

    Raises:
        NotUpgraded: It would not; says why.
    """
    said = await _outlook([*command, "--check", "--json"], timeout_s)
    try:
        version, policy = str(said["version"]), said["policy"]
        proxy, admin = (_address(said[name]) for name in ("proxy", "admin"))
    except (KeyError, TypeError, ValueError) as err:
        raise NotUpgraded("the new program does not say how it would start") from err
    if policy is not None and running.enforces:
        raise NotUpgraded(f"the new program would not enforce the policy that is in force: {policy}")
    config, doors = running.config, running.doors
    for (host, port), before, door in (
        (proxy, config.listen_port, doors.proxy),
        (admin, config.admin_port, doors.admin),
    ):
        if port != before and not door.given:
            _try_address(host, port)
    return version


def become(command: Sequence[str], sockets: Sequence[Named]) -> NoReturn:
    """Run ``command`` in this process, with these sockets and nothing else of it.

    Signals must be held back (``outpost.wishes.hold``) until the next program listens to them.

    Raises:
        Unavailable: It cannot be run. There is no way back: the caller has to end.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    variables = {**os.environ, **listen_fds.put(sockets, os.getpid())}
    try:
        os.execve(command[0], [*command], variables)  # noqa: S606 - what started this program
    except OSError as err:
        raise Unavailable(f"cannot run {command[0]}: {err.strerror}") from err


async def _outlook(command: Sequence[str], timeout_s: float) -> dict[str, Any]:
    pipe = asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except OSError as err:
        raise NotUpgraded(f"cannot run {command[0]}: {err.strerror}") from err
    try:
        async with asyncio.timeout(timeout_s):
            out, errors = await child.communicate()
    except TimeoutError:
        raise NotUpgraded(f"the new program did not end its check within {timeout_s:g} s") from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode != 0:
        raise NotUpgraded(f"the new program would not start (exit code {child.returncode}): {_words(errors)}")
    try:
        said = json.loads(out)
    except ValueError as err:
        raise NotUpgraded("the new program does not say how it would start") from err
    if not isinstance(said, dict):
        raise NotUpgraded("the new program does not say how it would start")
    return said


def _words(printed: bytes) -> str:
    """What a program said at its end; of what broke in it the kind only, as its text may quote anything."""
    lines = printed.decode("utf-8", "replace").strip().splitlines() or ["it printed nothing"]
    if any(line.startswith("Traceback") for line in lines):
        return f"{lines[-1].partition(':')[0]}; `outpost run --check` shows where"[-_SAID_CHARS:]
    return " ".join(line.strip() for line in lines)[-_SAID_CHARS:]


def _address(said: Any) -> tuple[str, int]:
    host, port = said
    return str(host), int(port)


def _try_address(host: str, port: int) -> None:
    try:
        for one in bind(host, port):
            one.close()
    except Unavailable as err:
        raise NotUpgraded(str(err)) from err

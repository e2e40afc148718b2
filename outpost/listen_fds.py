"""Listening sockets that another program opened: the protocol of sd_listen_fds(3), for systemd and our own upgrades.

``LISTEN_FDS`` descriptors follow standard error, meant for the process ``LISTEN_PID``; ``LISTEN_FDNAMES`` says which is
which. What is handed over is either all usable or a clear error: a port that nobody serves is worse than no start.
"""

import fcntl
import os
import socket
import stat
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final

from outpost.errors import ConfigError

FIRST: Final = 3  # SD_LISTEN_FDS_START
MOST: Final = 64  # far more addresses than one outpost listens on; a larger number is a mistake
PID: Final = "LISTEN_PID"
COUNT: Final = "LISTEN_FDS"
NAMES: Final = "LISTEN_FDNAMES"
_VARIABLES: Final = (PID, COUNT, NAMES, "LISTEN_PIDFDID")
UNNAMED: Final = "unknown"
"""What systemd calls a descriptor without a name."""


def named(variables: Mapping[str, str], pid: int) -> list[tuple[str, int]]:
    """Names and descriptors that ``variables`` promise to the process ``pid``; without names all are ``UNNAMED``.

    Raises:
        ConfigError: They are meant for it and make no sense.
    """
    if variables.get(PID) != str(pid):
        return []  # somebody else's, left over in the environment
    text = variables.get(COUNT, "")
    count = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) else -1
    if not 0 <= count <= MOST:
        raise ConfigError([f"{COUNT}: not a number from 0 to {MOST}"])
    names = variables[NAMES].split(":") if variables.get(NAMES) else [UNNAMED] * count
    if len(names) != count:
        raise ConfigError([f"{NAMES}: {len(names)} names for {count} sockets"])
    return [(name, FIRST + index) for index, name in enumerate(names)]


def take(variables: MutableMapping[str, str], pid: int) -> list[tuple[str, socket.socket]]:
    """The sockets that were handed to this process, no longer inherited by others; the variables are gone afterwards.

    Raises:
        ConfigError: One of them is no listening TCP socket.
    """
    found = named(variables, pid)
    for name in _VARIABLES:
        variables.pop(name, None)
    problems = [
        f"socket {name!r} (descriptor {number}): {problem}" for name, number in found if (problem := _bad(number))
    ]
    if problems:
        raise ConfigError(problems)
    taken = []
    for name, number in found:
        os.set_inheritable(number, False)
        one = socket.socket(fileno=number)
        one.setblocking(False)
        taken.append((name, one))
    return taken


def put(sockets: Iterable[tuple[str, socket.socket]], pid: int) -> dict[str, str]:
    """Lay the sockets where the protocol wants them, over whatever is there, and say so in variables.

    Only for a process that becomes another program at once: what lay there before is lost.
    """
    handed = [*sockets]
    above = FIRST + len(handed)
    kept = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD_CLOEXEC, above) for _, one in handed]
    for index, number in enumerate(kept):
        os.dup2(number, FIRST + index, inheritable=True)
    return {PID: str(pid), COUNT: str(len(handed)), NAMES: ":".join(name for name, _ in handed)} if handed else {}


def _bad(number: int) -> str | None:
    """Why clients cannot be accepted on a descriptor; None if they can."""
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return "not a socket"
        duplicate = socket.socket(fileno=os.dup(number))
    except OSError as err:
        return err.strerror or "not a descriptor"
    with duplicate as one:
        if one.family not in {socket.AF_INET, socket.AF_INET6} or one.type != socket.SOCK_STREAM:
            return "not a TCP socket (ListenStream= with a port)"
        if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return "not listening (Accept=no is wanted)"
    return None

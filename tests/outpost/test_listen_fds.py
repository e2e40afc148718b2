import contextlib
import json
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import ConfigError
from outpost.listen_fds import COUNT, MOST, NAMES, PID, named, take

HAND_ON = """
import os, socket, sys
from outpost import listen_fds
sockets = [(name, socket.create_server(("127.0.0.1", 0))) for name in sys.argv[1:]]
ports = [one.getsockname()[1] for _, one in sockets]
variables = {**os.environ, **listen_fds.put(sockets[::-1], os.getpid())}
os.execve(sys.executable, [sys.executable, "-c", os.environ["NEXT"], *map(str, ports)], variables)
"""
NEXT = """
import json, os, sys
from outpost import listen_fds
taken = listen_fds.take(os.environ, os.getpid())
left = sorted(name for name in os.environ if name.startswith("LISTEN_"))
said = [[name, one.getsockname()[1], one.fileno(), one.get_inheritable(), one.gettimeout()] for name, one in taken]
print(json.dumps([said, left, len(os.listdir("/proc/self/fd"))]))
"""


def test_what_one_program_hands_on_the_next_one_takes():
    command = [sys.executable, "-c", HAND_ON, "proxy", "admin", "proxy"]
    done = subprocess.run(command, env={**os.environ, "NEXT": NEXT}, capture_output=True, text=True, check=True)
    said, left, descriptors = json.loads(done.stdout)
    assert [name for name, *_ in said] == ["proxy", "admin", "proxy"]
    assert [number for _, _, number, *_ in said] == [3, 4, 5]
    assert len({port for _, port, *_ in said}) == 3
    assert {(inheritable, timeout) for *_, inheritable, timeout in said} == {(False, 0.0)}
    assert left == []
    assert descriptors == 3 + 3 + 1, "nothing else was inherited"


def test_names_are_optional_and_what_is_for_another_process_is_left_alone():
    assert named({PID: "7", COUNT: "2"}, 7) == [("unknown", 3), ("unknown", 4)]
    assert named({PID: "7", COUNT: "2", NAMES: "proxy:admin"}, 7) == [("proxy", 3), ("admin", 4)]
    assert named({PID: "8", COUNT: "2"}, 7) == []
    assert named({COUNT: "2"}, 7) == []
    assert named({}, 7) == []


@pytest.mark.parametrize(
    "variables",
    [{}, {COUNT: "-1"}, {COUNT: "x"}, {COUNT: str(MOST + 1)}, {COUNT: "2", NAMES: "proxy"}, {COUNT: "9" * 5_000}],
)
def test_what_makes_no_sense_is_an_error(variables):
    with pytest.raises(ConfigError):
        named({PID: "7", **variables}, 7)


@given(st.dictionaries(st.sampled_from([PID, COUNT, NAMES]), st.text() | st.sampled_from(["7", "1", "proxy"])))
def test_any_variables_give_a_value_or_the_typed_error(variables):
    with contextlib.suppress(ConfigError):
        assert all(number >= 3 for _, number in named(variables, 7))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (socket.socket, "not listening"),
        (lambda: socket.socket(type=socket.SOCK_DGRAM), "not a TCP socket"),
        (lambda: socket.socket(socket.AF_UNIX), "not a TCP socket"),
        (lambda: open(os.devnull), "not a socket"),  # noqa: PTH123, SIM115 - closed below
    ],
)
def test_what_no_client_can_come_through_is_named(make, reason, monkeypatch):
    with make() as bad:
        monkeypatch.setattr("outpost.listen_fds.FIRST", bad.fileno())
        variables = {PID: "7", COUNT: "1", NAMES: "proxy"}
        with pytest.raises(ConfigError, match=reason):
            take(variables, 7)
        assert variables == {}


def test_a_descriptor_that_is_not_open_is_named(monkeypatch):
    monkeypatch.setattr("outpost.listen_fds.FIRST", 9_999)
    with pytest.raises(ConfigError, match="Bad file descriptor"):
        take({PID: "7", COUNT: "1"}, 7)

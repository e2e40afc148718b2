"""The HTTP end of the command line against servers that do not play fair; what it decides: tests/conformance."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from outpost.policy.conformance import Directory, Patience, Unreachable, download, main
from outpost.policy.trusted_metadata import MetadataInvalid
from outpost.policy.workflow import Persist
from tests.fakes.tuf_server import Simulator

HASTY = Patience(silence_s=0.3, grace_s=0.6, bytes_per_s=1e9)


@contextmanager
def server(*pieces: bytes, pause_s: float = 0.0, endless: bytes = b""):
    """Answer one connection with ``pieces``, a pause before each, then ``endless`` until the other end has enough."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.recv(65_536)
                    for piece in pieces:
                        time.sleep(pause_s)
                        connection.sendall(piece)
                    while endless:
                        time.sleep(pause_s)
                        connection.sendall(endless)
                except OSError:
                    pass  # it hung up: what it was meant to do

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/f"
        finally:
            thread.join(timeout=10)
            assert not thread.is_alive()


OK = b"HTTP/1.1 200 OK\r\n"


def test_a_file_comes_whole():
    with server(OK + b"Content-Length: 5\r\n\r\nhel", b"lo") as url:
        assert download(url, 5, HASTY) == b"hello"
    with server(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n") as url:
        assert download(url, 5, HASTY) == b"hello"
    with server(OK + b"\r\nhello") as url:
        assert download(url, 5, HASTY) == b"hello"


@pytest.mark.parametrize("status", [b"403 Forbidden", b"404 Not Found"])
def test_a_file_that_is_not_there(status):
    with server(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n") as url:
        assert download(url, 5, HASTY) is None


@pytest.mark.parametrize("status", [b"500 No", b"503 No", b"301 Moved", b"204 No Content", b"206 Part"])
def test_any_other_answer_is_none(status):
    with (
        server(b"HTTP/1.1 " + status + b"\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n") as url,
        pytest.raises(Unreachable),
    ):
        download(url, 5, HASTY)


@pytest.mark.parametrize(
    "head", [b"Content-Length: 99999999999\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n"]
)
def test_endless_data_ends(head):
    endless = b"5\r\nhello\r\n" if b"chunked" in head else b"hello"
    with server(OK + head, endless=endless) as url, pytest.raises(MetadataInvalid, match="longer than 1000 bytes"):
        download(url, 1000, HASTY)


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"H" for _ in range(100)],
        [OK, *(b"X: y\r\n" for _ in range(100))],
        [OK + b"Content-Length: 100\r\n\r\n", *(b"h" for _ in range(100))],
    ],
    ids=["never", "in the status line", "in the headers", "in the body"],
)
def test_a_server_that_trickles_is_left(pieces):
    """Each piece comes within ``silence_s``; the whole does not come within its time."""
    began = time.monotonic()
    with server(*pieces, pause_s=0.05 if pieces else 0.0, endless=b"" if pieces else b"\r") as url:
        with pytest.raises(Unreachable):
            download(url, 1000, HASTY)
        assert time.monotonic() - began < 5


def test_a_server_that_is_silent_is_left():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        with pytest.raises(Unreachable):
            download(f"http://127.0.0.1:{listener.getsockname()[1]}/f", 5, HASTY)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", OK + b"Content-Length: 9\r\n\r\nshort", OK + b"Content-Length: x\r\n\r\n" * 2]
)
def test_an_answer_that_is_none_or_half_is_unreachable_or_unverifiable(answer):
    with server(answer) as url:
        try:
            assert download(url, 100, HASTY) != b"whole"
        except Unreachable as err:
            assert "127.0.0.1" in str(err)  # noqa: PT017 - both outcomes are right


def test_a_root_is_kept_in_the_history_before_it_counts(tmp_path, monkeypatch):
    """Cut off between any two writes of a root that drops the floor: the next start has the old root and the floor,
    or finds the new one in the history."""
    from outpost.policy import conformance  # noqa: PLC0415 - its write function is what is cut off

    sim = Simulator()
    sim.rotate("timestamp")
    step = Persist("root", 2, sim.files["2.root.json"], ("timestamp",))
    real = conformance.write_public
    for allowed in range(3):
        directory = Directory(tmp_path / str(allowed))
        directory.initialise(sim.files["1.root.json"])
        directory.persist(Persist("timestamp", 1, sim.files["timestamp.json"]))
        left = iter(range(allowed))

        def failing(path, data, left=left):
            if next(left, None) is None:
                raise OSError("cut off")
            real(path, data)

        monkeypatch.setattr(conformance, "write_public", failing)
        if allowed < 2:
            with pytest.raises(OSError, match="cut off"):
                directory.persist(step)
        else:
            directory.persist(step)
        monkeypatch.setattr(conformance, "write_public", real)
        trusted, above = directory.open()
        floor = directory.read("timestamp")
        assert (trusted.root.version, len(above), floor is not None) == [(1, 0, True), (1, 1, False), (2, 0, False)][
            allowed
        ]


def test_usage_is_a_failure_with_words(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["launch", "--metadata-dir", "x"])
    assert caught.value.code == 1
    assert "usage" in capsys.readouterr().err

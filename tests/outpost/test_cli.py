import asyncio
import contextlib
import json
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
import typer

from outpost import cli
from outpost.app import AUDIT_FILE
from outpost.audit.event import AuditEvent
from outpost.audit.log import open_log
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.enrolled import enrol, fill_cache

TOKEN = f"oet1.edge-1.{'A' * 43}.{'B' * 42}A"
SECRET = "A" * 43
MAIN = "from outpost.cli import main; main()"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.upper().startswith("OUTPOST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def outpost(monkeypatch, capsys):
    """Runs ``outpost ARGUMENTS`` in this process; gives code, out and err."""

    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", ["outpost", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False, read=lambda: stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return SimpleNamespace(code=caught.value.code or 0, out=out, err=err)

    return run


@pytest.fixture(scope="module")
def plane() -> FakeControlPlane:
    plane = FakeControlPlane(now)
    plane.publish()
    return plane


@pytest.fixture(scope="module")
def enrolled(plane, tmp_path_factory) -> Path:
    """An enrolled data directory; copied by those who change it."""
    data_dir = tmp_path_factory.mktemp("enrolled") / "data"
    enrol(plane, data_dir, now)
    return data_dir


@pytest.fixture
def data_dir(enrolled, tmp_path) -> Path:
    subprocess.run(["cp", "-a", enrolled, tmp_path / "data"], check=True)
    return tmp_path / "data"


@pytest.fixture
def logged(data_dir) -> Path:
    """A data directory with an audit log of 12 events."""
    identity = cli.load_identity(data_dir, now())

    async def fill():
        log = open_log(data_dir / AUDIT_FILE, identity.audit_signer(), identity.log_origin)
        for number in range(12):
            await log.append(AuditEvent(kind="system", at=now(), request_id="system", outcome=f"event-{number}"))
        log.close()

    asyncio.run(fill())
    return data_dir


# Help and usage


def _commands(command=None, path=()):
    command = command or typer.main.get_command(cli.cli)
    yield path
    for name, sub in getattr(command, "commands", {}).items():
        yield from _commands(sub, (*path, name))


@pytest.mark.parametrize("path", list(_commands()), ids=lambda path: " ".join(path) or "outpost")
def test_help_explains_and_shows_an_example(outpost, path):
    result = outpost(*path, "--help")
    assert result.code == 0
    assert "Example: " in result.out
    assert "--help" in result.out


def test_the_version(outpost):
    result = outpost("--version")
    assert (result.code, result.out.strip()) == (0, cli.outpost_version())


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["status", "--no-such-option"],
        ["status", "extra"],
        ["register"],
        ["audit", "no-such-command"],
        ["audit", "tail", "--lines", "-1"],
        ["audit", "tail", "--lines", "many"],
        ["audit", "verify", "--file", "copy.db"],
        ["audit", "verify", "--file", "copy.db", "--vkey", "nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(outpost, arguments):
    result = outpost(*arguments)
    assert result.code == 2
    assert result.err
    assert not result.out


@pytest.mark.parametrize("command", [["status"], ["run"], ["audit", "tail"], ["audit", "verify"], ["audit", "export"]])
def test_settings_that_are_wrong_are_listed_and_end_every_command(outpost, monkeypatch, tmp_path, command):
    (tmp_path / "outpost.toml").write_text("listen_prot = 1\nadmin_port = 'x'\n")
    monkeypatch.setenv("OUTPOST_LOG_LEVL", "info")
    result = outpost(*command)
    assert result.code == 1
    lines = result.err.splitlines()
    assert lines[0] == "outpost: the settings are not valid:"
    named = {line.split(":")[0] for line in lines[1:]}
    assert named == {"  - OUTPOST_LOG_LEVL", "  - admin_port", "  - listen_prot"}


@pytest.mark.parametrize("command", [["status"], ["run"], ["audit", "verify"], ["audit", "tail"], ["audit", "export"]])
def test_nothing_is_there_yet(outpost, command):
    result = outpost(*command, "--data-dir", "nowhere")
    assert result.code == 1
    assert result.err.startswith("outpost: ")
    assert not Path("nowhere").exists()


# register


@pytest.fixture
def dead_url():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"https://127.0.0.1:{port}"


def _one_line(result) -> str:
    assert result.code == 1
    assert not result.out
    assert SECRET not in result.err
    lines = [line for line in result.err.splitlines() if not line.startswith("{")]
    return "\n".join(lines)


def test_register_without_a_token(outpost, dead_url):
    text = _one_line(outpost("register", "--control-plane", dead_url))
    assert "there is no enrolment token: use --token-file or OUTPOST_ENROLMENT_TOKEN" in text


def test_register_with_a_token_file_that_is_not_there(outpost, dead_url):
    text = _one_line(outpost("register", "--control-plane", dead_url, "--token-file", "nowhere"))
    assert "the token file nowhere cannot be read" in text


@pytest.mark.parametrize(
    "url", ["cp.example", "http://cp.example:8100", "https://", "https://cp.example/x", "https://x:y"]
)
def test_register_with_a_bad_url(outpost, url):
    text = _one_line(outpost("register", "--control-plane", url, "--token-file", "-", stdin=TOKEN))
    assert "must be https://host[:port]" in text


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "A", TOKEN.replace("oet1", "oet2"), f"oet1.{SECRET}"])
def test_register_with_a_forged_token(outpost, dead_url, token):
    text = _one_line(outpost("register", "--control-plane", dead_url, "--token-file", "-", stdin=token))
    assert "this is not an enrolment token" in text
    assert len(text.splitlines()) == 1


def test_register_at_a_dead_port(outpost, dead_url, monkeypatch):
    monkeypatch.setenv("OUTPOST_ENROLMENT_TOKEN", TOKEN)
    text = _one_line(outpost("register", "--control-plane", dead_url))
    assert "cannot connect to 127.0.0.1:" in text
    assert len(text.splitlines()) == 1


def test_register_at_a_port_that_is_not_a_control_plane(outpost, monkeypatch):
    monkeypatch.setenv("OUTPOST_ENROLMENT_TOKEN", TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        text = _one_line(outpost("register", "--control-plane", f"https://127.0.0.1:{server.getsockname()[1]}"))
    assert len(text.splitlines()) == 1


def test_register_into_a_file(outpost, dead_url):
    Path("file").write_text("")
    text = _one_line(
        outpost("register", "--control-plane", dead_url, "--data-dir", "file", "--token-file", "-", stdin=TOKEN)
    )
    assert text.startswith("outpost: cannot make the data directory file: ")


def test_register_again_with_the_same_outposts_token_changes_nothing(outpost, data_dir, dead_url):
    result = outpost("register", "--control-plane", dead_url, "--data-dir", data_dir, "--token-file", "-", stdin=TOKEN)
    assert result.code == 0
    assert "enrolled already: edge-1 of acme" in result.out
    other = TOKEN.replace("edge-1", "edge-2")
    text = _one_line(
        outpost("register", "--control-plane", dead_url, "--data-dir", data_dir, "--token-file", "-", stdin=other)
    )
    assert "enrolled already, as edge-1" in text


# status


def test_status_of_an_outpost_that_never_ran(outpost, data_dir):
    result = outpost("status", "--data-dir", data_dir)
    assert result.code == 1
    assert "not running" in result.out
    assert "it has not been started yet" in result.out
    report = json.loads(outpost("status", "--data-dir", data_dir, "--json").out)
    assert (report["running"], report["ready"], report["outpost_id"]) == (False, False, "edge-1")
    assert report["audit_vkey"].startswith("outpost.test/org/acme/outpost/edge-1/audit+")
    assert sorted(path.name for path in data_dir.iterdir()) == ["identity"]


def test_status_of_a_stopped_outpost(outpost, data_dir, plane):
    fill_cache(plane, cli.load_identity(data_dir, now()), data_dir)
    report = json.loads(outpost("status", "--data-dir", data_dir, "--json").out)
    assert report["bundle"]["freshness"] == "fresh"
    assert report["problems"] == []
    shown = outpost("status", "--data-dir", data_dir)
    assert shown.code == 1
    assert "not running" in shown.out


def test_status_of_a_stopped_outpost_with_a_tampered_cache(outpost, data_dir, plane):
    fill_cache(plane, cli.load_identity(data_dir, now()), data_dir)
    with contextlib.closing(sqlite3.connect(data_dir / "outpost.db")) as connection, connection:
        connection.execute("UPDATE bundle_document SET content = x'7b7d'")
    report = json.loads(outpost("status", "--data-dir", data_dir, "--json").out)
    assert report["bundle"] is None
    assert report["problems"][0].startswith("the cached bundle is refused: ")


@contextlib.contextmanager
def running(data_dir: Path):
    """``outpost run`` as a process; yields its admin port."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        port, admin_port = one.getsockname()[1], two.getsockname()[1]
    settings = {
        "OUTPOST_LISTEN_HOST": "127.0.0.1",
        "OUTPOST_LISTEN_PORT": str(port),
        "OUTPOST_ADMIN_PORT": str(admin_port),
        "OUTPOST_SHUTDOWN_GRACE_S": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "run", "--data-dir", str(data_dir)],
        env=_environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield admin_port
    finally:
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_status_of_a_running_outpost(outpost, data_dir, plane, monkeypatch, host):
    fill_cache(plane, cli.load_identity(data_dir, now()), data_dir)
    monkeypatch.setenv("OUTPOST_ADMIN_HOST", host)
    with running(data_dir) as admin_port:
        monkeypatch.setenv("OUTPOST_ADMIN_PORT", str(admin_port))
        result = outpost("status", "--data-dir", data_dir)
        assert result.code == 0, result.out + result.err
        assert "ready" in result.out
        report = json.loads(outpost("status", "--data-dir", data_dir, "--json").out)
        assert (report["running"], report["ready"]) == (True, True)
        verified = outpost("audit", "verify", "--data-dir", data_dir)
        assert verified.code == 0, verified.err
        assert "whole" in verified.out


def test_status_of_a_running_outpost_that_refuses(outpost, data_dir, monkeypatch):
    with running(data_dir) as admin_port:
        monkeypatch.setenv("OUTPOST_ADMIN_PORT", str(admin_port))
        result = outpost("status", "--data-dir", data_dir)
    assert result.code == 1
    assert "running, refusing requests" in result.out
    assert "no_policy" in result.out


@pytest.mark.parametrize("body", [b"[]", b"null", b"not json", b'{"outpost_id": "another"}', b"\xff"])
def test_another_program_on_the_admin_port_is_not_the_outpost(outpost, data_dir, monkeypatch, body):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Be quiet."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setenv("OUTPOST_ADMIN_PORT", str(server.server_port))
        result = outpost("status", "--data-dir", data_dir, "--json")
        thread.join(10)
    assert result.code == 1
    assert json.loads(result.out)["running"] is False


@pytest.mark.parametrize("host", ["::1", "no such host"])
def test_any_admin_host_gives_a_status(outpost, data_dir, monkeypatch, host):
    monkeypatch.setenv("OUTPOST_ADMIN_HOST", host)
    monkeypatch.setenv("OUTPOST_ADMIN_PORT", "1")
    assert outpost("status", "--data-dir", data_dir).code == 1


# run


def test_run_without_identity_and_token_says_how_to_enrol(outpost):
    result = outpost("run", "--data-dir", "new")
    assert result.code == 1
    assert "outpost register" in result.err
    assert not Path("new").exists()


def test_run_on_a_port_that_is_taken_is_one_line(data_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = {"OUTPOST_ADMIN_PORT": str(other.getsockname()[1]), "OUTPOST_LISTEN_PORT": "0"}
        result = _process("run", "--data-dir", str(data_dir), settings=settings)
    assert result.returncode == 1
    assert result.stderr.decode().splitlines() == [
        f"outpost: cannot listen on 127.0.0.1 port {settings['OUTPOST_ADMIN_PORT']}: Address already in use"
    ]


def _environment(settings=None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1]), **(settings or {})}


def _process(*arguments: str, settings=None):
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, capture_output=True, check=False, env=_environment(settings), timeout=60)


# audit


def test_verify_a_whole_log(outpost, logged):
    result = outpost("audit", "verify", "--data-dir", logged)
    assert (result.code, result.err) == (0, "")
    assert "The audit log is whole: 12 events" in result.out
    report = json.loads(outpost("audit", "verify", "--data-dir", logged, "--json").out)
    assert report["size"] == 12
    assert report["problems"] == []


def test_verify_a_copy_with_nothing_but_the_key(outpost, logged, tmp_path):
    vkey = json.loads(outpost("status", "--data-dir", logged, "--json").out)["audit_vkey"]
    copy = tmp_path / "elsewhere" / "audit.db"
    copy.parent.mkdir()
    copy.write_bytes((logged / AUDIT_FILE).read_bytes())
    assert outpost("audit", "verify", "--file", copy, "--vkey", vkey).code == 0


def test_verify_names_what_was_altered(outpost, logged):
    with contextlib.closing(sqlite3.connect(logged / AUDIT_FILE)) as connection, connection:
        connection.execute(
            "UPDATE events SET event = CAST(replace(CAST(event AS TEXT), 'event-7', 'event-8') AS BLOB) WHERE seq = 7"
        )
    result = outpost("audit", "verify", "--data-dir", logged)
    assert result.code == 1
    assert "event 7: " in result.err
    assert outpost("audit", "verify", "--data-dir", logged, "--json").code == 1


@pytest.mark.parametrize(("lines", "shown"), [(0, []), (1, [11]), (3, [9, 10, 11]), (100, list(range(12)))])
def test_tail_shows_the_newest(outpost, logged, lines, shown):
    result = outpost("audit", "tail", "--data-dir", logged, "-n", lines, "--json")
    assert result.code == 0
    assert [json.loads(line)["seq"] for line in result.out.splitlines()] == shown
    for_people = outpost("audit", "tail", "--data-dir", logged, "-n", lines).out.splitlines()
    assert [int(line.split()[0]) for line in for_people] == shown


def test_export_is_one_json_line_an_event(outpost, logged):
    result = outpost("audit", "export", "--data-dir", logged)
    events = [json.loads(line) for line in result.out.splitlines()]
    assert [(event["seq"], event["outcome"]) for event in events] == [(n, f"event-{n}") for n in range(12)]
    after = outpost("audit", "export", "--data-dir", logged, "--after", "9").out
    assert [json.loads(line)["seq"] for line in after.splitlines()] == [10, 11]


def test_a_reader_that_goes_away_is_no_error_worth_a_traceback(logged):
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", MAIN, "audit", "export", "--data-dir", str(logged)],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        env=_environment(),
        timeout=60,
    )
    os.close(writer)
    assert process.stderr == b""
    assert process.returncode == 1


def test_the_doctor_examines_and_fails_with_a_fix(outpost, data_dir, monkeypatch):
    monkeypatch.setenv("OUTPOST_LISTEN_PORT", "0")
    monkeypatch.setenv("OUTPOST_ADMIN_PORT", "0")
    result = outpost("doctor", "--data-dir", str(data_dir), "--json")
    assert result.code == 1  # the control plane of this test has no socket
    checks = {check["name"]: check for check in json.loads(result.out)}
    assert checks["identity"]["status"] == "ok"
    assert checks["TLS"]["status"] == "fail"
    text = outpost("doctor", "--data-dir", str(data_dir))
    assert text.code == 1
    assert "fix: " in text.out


def test_the_doctor_of_nothing_says_how_to_enrol(outpost, tmp_path):
    result = outpost("doctor", "--data-dir", str(tmp_path))
    assert result.code == 1
    assert "outpost register" in result.out

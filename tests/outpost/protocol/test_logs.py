import io
import json
import logging
from datetime import UTC, datetime

import pytest
import structlog

from outpost.protocol.logs import configure_logs

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def configuration_is_put_back():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_line_of_json_with_level_and_time(stream):
    configure_logs("info", stream)
    structlog.get_logger("ours").info("bundle_applied", version=7, text="two\nlines")
    (line,) = lines(stream)
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert line == {"event": "bundle_applied", "level": "info", "version": 7, "text": "two\nlines"}


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_less_severe_records_are_left_out(stream, level, kept):
    configure_logs(level, stream)
    ours = structlog.get_logger("ours")
    for name in ("debug", "info", "warning", "error"):
        getattr(ours, name)("x")
    assert [line["level"] for line in lines(stream)] == kept


def test_another_librarys_words_are_not_repeated(stream):
    configure_logs("info", stream)
    library = logging.getLogger("some.library")
    library.warning("cannot parse %s", SECRET)
    try:
        int(SECRET)
    except ValueError:
        library.exception("failed with %s", SECRET)
    warned, failed = lines(stream)
    assert SECRET not in stream.getvalue()
    assert (warned["source"], warned["error"], warned["level"]) == ("some.library", None, "warning")
    assert (failed["source"], failed["error"], failed["level"]) == ("some.library", "ValueError", "error")
    assert "test_logs.py:" in warned["at"]
    assert "test_logs.py:" in failed["at"]


def test_another_librarys_chatter_is_left_out(stream):
    configure_logs("debug", stream)
    logging.getLogger("some.library").info("GET /secret")
    assert lines(stream) == []


def test_a_level_of_a_librarys_own_is_logged_as_the_one_below(stream):
    configure_logs("info", stream)
    logging.getLogger("some.library").log(35, "notice")
    assert [line["level"] for line in lines(stream)] == ["warning"]


def test_standard_output_is_the_default(capsys):
    configure_logs("info")
    structlog.get_logger("ours").info("started")
    assert json.loads(capsys.readouterr().out)["event"] == "started"


def test_configuring_again_replaces_the_first(stream):
    configure_logs("info", io.StringIO())
    configure_logs("info", stream)
    logging.getLogger("some.library").warning("x")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize("method", ["write", "flush"])
def test_a_log_that_cannot_be_written_stops_nobody(stream, method):
    broken = [True]

    def fail(*args):
        if broken:
            raise OSError(28, "No space left on device")
        return getattr(io.StringIO, method)(out, *args)

    out = type("Sometimes", (io.StringIO,), {})()  # an instance whose methods can be replaced
    setattr(out, method, fail)
    configure_logs("info", out)
    structlog.get_logger("ours").error("disk_full")
    logging.getLogger("some.library").error("disk full")
    broken.clear()
    structlog.get_logger("ours").info("space_again")
    assert "space_again" in out.getvalue()

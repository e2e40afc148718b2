import json
import logging

import pytest
import structlog

from control_plane.logs import configure_logs


@pytest.fixture(autouse=True)
def _restore():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_json_with_time_and_level(capsys):
    configure_logs("info")
    structlog.get_logger("x").info("listening", url="https://x")
    structlog.get_logger("x").debug("hidden")
    (line,) = capsys.readouterr().out.splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["level"], entry["url"]) == ("listening", "info", "https://x")
    assert entry["timestamp"].endswith("Z")


def test_what_a_library_says_is_reduced_to_kind_and_place(capsys):
    configure_logs("info")
    try:
        int("planted")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", "planted")
    text = capsys.readouterr().out
    entry = json.loads(text)
    assert (entry["source"], entry["error"], entry["level"]) == ("aiohttp.server", "ValueError", "error")
    assert "test_logs.py" in entry["at"]
    assert "planted" not in text

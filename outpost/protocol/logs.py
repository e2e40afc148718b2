"""How both programs log: structlog, one JSON object a line. What another library logs is reduced to its kind and place.

Log what happened and to which id; never a prompt, key, token or matched text. A foreign exception's text may quote
what it was given, so only its type and the line it came from are written.
"""

import contextlib
import logging
import sys
import traceback
from typing import TextIO, cast

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Send everything of ``level`` (``debug``, ``info``, ``warning``, ``error``) and above to ``stream``.

    That is standard output (the default) for a server, whose output is its log, and standard error for a command,
    whose output is its answer.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lenient(stream or sys.stdout))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[ForeignHandler()], level=logging.WARNING, force=True)


class _Lenient:
    """A stream whose loss is survived: a full disk under the log must not end what is being logged about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class ForeignHandler(logging.Handler):
    """Passes on that another library logged something, not what."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log kind and place."""
        err = record.exc_info[1] if record.exc_info else None
        frames = traceback.extract_tb(err.__traceback__) if err is not None else []
        structlog.get_logger("foreign").log(
            max(level for level in (logging.NOTSET, *_LEVELS.values()) if level <= record.levelno),
            "library_message",
            source=record.name,
            error=type(err).__name__ if err is not None else None,
            at=f"{frames[-1].filename}:{frames[-1].lineno}" if frames else f"{record.pathname}:{record.lineno}",
        )

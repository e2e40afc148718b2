"""Logs: one JSON object per line on stdout. What another library logs is reduced to its kind and place.

A foreign exception's text may quote what it was given, so only its type and the line it came from are written.
"""

import logging
import sys
import traceback

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(level: str) -> None:
    """Send everything of ``level`` and above to stdout as JSON lines."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[ForeignHandler()], level=logging.WARNING, force=True)


class ForeignHandler(logging.Handler):
    """Passes on that another library logged something, not what."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log kind and place."""
        err = record.exc_info[1] if record.exc_info else None
        frames = traceback.extract_tb(err.__traceback__) if err is not None else []
        structlog.get_logger("control_plane.foreign").log(
            record.levelno,
            "library_message",
            source=record.name,
            error=type(err).__name__ if err is not None else None,
            at=f"{frames[-1].filename}:{frames[-1].lineno}" if frames else f"{record.pathname}:{record.lineno}",
        )

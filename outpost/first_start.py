"""The first start: a data directory for the owner alone, and an enrolment if a token is configured.

A token may come by variable or by file; a file is waited for, because whoever writes it may start beside the outpost.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from outpost.config import Config
from outpost.errors import ConfigError, Unavailable
from outpost.sync.enrol import register
from outpost.sync.identity import is_enrolled
from pki.files import make_private_dir

log = structlog.get_logger(__name__)

TOKEN_FILE_WAIT_S: Final = 120.0  # compose starts the outpost beside the step that writes its token
TOKEN_FILE_POLL_S: Final = 0.5
HOW_TO_ENROL: Final = (
    "run `outpost register`, or set OUTPOST_CONTROL_PLANE_URL and OUTPOST_ENROLMENT_TOKEN "
    "(or OUTPOST_ENROLMENT_TOKEN_FILE)"
)

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The default clock."""
    return datetime.now(UTC)


async def ensure_enrolled(config: Config, *, clock: Clock = utc_now) -> None:
    """Register on first start if a token is configured; do nothing if there is an identity.

    Raises:
        ConfigError: There is no identity and no token, or no control plane to take it to.
        OutpostError: Registration failed.
    """
    if is_enrolled(config.data_dir):
        return
    token = await _enrolment_token(config)
    if token is None or config.control_plane_url is None:
        missing = "no enrolment token" if token is None else "no control_plane_url"
        raise ConfigError([f"this outpost is not enrolled and there is {missing}: {HOW_TO_ENROL}"])
    make_data_dir(config)
    identity = await asyncio.to_thread(register, config.control_plane_url, token, config.data_dir, clock=clock)
    log.info("enrolled", org_id=identity.org_id, outpost_id=identity.outpost_id)


def make_data_dir(config: Config) -> None:
    """Make the data directory, for the owner only.

    Raises:
        Unavailable: It cannot be made.
    """
    try:
        make_private_dir(config.data_dir)
    except OSError as err:
        raise Unavailable(f"cannot make the data directory {config.data_dir}: {err.strerror}") from err


async def _enrolment_token(config: Config) -> str | None:
    if config.enrolment_token is not None:
        return config.enrolment_token.get_secret_value().strip()
    if config.enrolment_token_file is None:
        return None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TOKEN_FILE_WAIT_S):
            while True:
                token = _text_of(config.enrolment_token_file)
                if token:
                    return token
                await asyncio.sleep(TOKEN_FILE_POLL_S)
    return None


def _text_of(path: Path) -> str:
    """The file's text; empty if it is not there yet."""
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""

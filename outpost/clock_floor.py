"""Remembers that time has passed, so that a clock turned back is noticed after a restart too.

Only times that a verified source vouches for count: this machine's own clock may be years ahead by mistake, and the
floor would refuse everything once it is put right.
"""

import asyncio
import contextlib
from typing import Final

import structlog

from outpost.cache.bundles import StateKey, StateStore
from outpost.errors import OutpostError
from outpost.proxy.enforcement import Admission
from outpost.sync.clock import ClockWatch

CLOCK_FLOOR_EVERY_S: Final = 60.0  # a restart then notices a clock that went back by more than this and the tolerance

log = structlog.get_logger(__name__)


async def keep_clock_floor(watch: ClockWatch, admission: Admission, state: StateStore, stop: asyncio.Event) -> None:
    """Store the floor of ``watch`` now and then, and have ``admission`` hold to what is stored, until ``stop``."""
    while not stop.is_set():
        floor_at = watch.floor_at
        if floor_at is not None:
            try:
                admission.clock_floor_at = await asyncio.to_thread(state.raise_time, StateKey.CLOCK_FLOOR_AT, floor_at)
            except OutpostError as err:
                log.error("clock_floor_not_stored", reason=str(err))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOCK_FLOOR_EVERY_S):
                await stop.wait()

"""Times that cross a boundary: RFC 3339 with an offset, kept in UTC, so that later uses can convert and compare."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as err:  # the first or last hours of the calendar, in another zone
        raise ValueError("is not a date that can be expressed in UTC") from err


UtcTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""An aware time in UTC; one without an offset is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from outpost.protocol.times import UtcTime

TIME = TypeAdapter(UtcTime)


def test_a_time_of_any_zone_is_kept_in_utc():
    at = TIME.validate_json('"2026-06-01T14:00:00+02:00"')
    assert at == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert at.utcoffset() == timedelta(0)
    assert TIME.dump_json(at) == b'"2026-06-01T12:00:00Z"'


@pytest.mark.parametrize(
    "text", ["2026-06-01T14:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "yesterday", ""]
)
def test_a_time_that_is_not_a_moment_in_utc_is_refused(text):
    with pytest.raises(ValidationError):
        TIME.validate_json(f'"{text}"')


@given(st.binary(max_size=40) | st.datetimes(timezones=st.timezones()).map(lambda at: f'"{at.isoformat()}"'.encode()))
def test_any_bytes_give_a_time_in_utc_or_a_validation_error(data):
    try:
        at = TIME.validate_json(data)
    except ValidationError:
        return
    assert at.utcoffset() == timedelta(0)

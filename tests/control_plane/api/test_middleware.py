"""Reading a message off the wire: any bytes give a message or the typed error, nothing else."""

import asyncio
import json

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from control_plane.api import middleware
from control_plane.api.middleware import read_message
from control_plane.errors import InvalidRequest, RequestTooLarge, UnsupportedEncoding
from outpost.protocol.messages import AuditBatch, EnrolRequest, Heartbeat


def _read(body, model=Heartbeat, limit_bytes=1000, headers=None):
    async def read():
        loop = asyncio.get_running_loop()
        stream = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
        stream.feed_data(body)
        stream.feed_eof()
        return await read_message(make_mocked_request("POST", "/", headers or {}, payload=stream), model, limit_bytes)

    return asyncio.run(read())


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists)
FIELDS = st.sampled_from(["token", "csr_pem", "sent_at", "bundle", "audit_size", "first_seq", "events", "checkpoint"])


@pytest.mark.parametrize("model", [Heartbeat, EnrolRequest, AuditBatch])
@given(body=st.binary(max_size=200) | st.dictionaries(FIELDS, JSON).map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_message_or_the_typed_error(model, body):
    try:
        message = _read(body, model, 2**16)
    except InvalidRequest as err:
        message = err
    assert isinstance(message, model | InvalidRequest)


def test_too_much_is_refused_with_and_without_a_stated_length():
    with pytest.raises(RequestTooLarge):
        _read(b"x" * 1001)
    with pytest.raises(RequestTooLarge):
        _read(b"", headers={"Content-Length": "1001"})


def test_compressed_is_refused_unread():
    with pytest.raises(UnsupportedEncoding):
        _read(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})


async def test_a_body_that_does_not_come_is_given_up(serving, monkeypatch):
    async def stalling():
        yield b"{"
        await asyncio.sleep(5)

    monkeypatch.setattr(middleware, "BODY_TIMEOUT_S", 0.05)
    async with serving() as site, site.platform() as client:
        answer = await client.post("/enroll/v1/outposts", content=stalling())
    assert (answer.status_code, answer.json()["code"]) == (408, "request_timeout")


def test_a_refusal_names_the_field_and_never_the_value():
    with pytest.raises(InvalidRequest, match="audit_size") as caught:
        _read(b'{"outpost_version":"1","sent_at":"2026-06-01T12:00:00Z","bundle":null,"audit_size":"planted"}')
    assert "planted" not in caught.value.message

"""The local socket's body: any bytes give an answer or ``invalid_request``, and no answer repeats a share."""

import os

import httpx
import pytest

from control_plane.api.seal import SHARE_LIMIT_BYTES
from control_plane.seal import make_seal, socket_path
from control_plane.unsealing import SealDoor


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"[" * 5000, 400),
        (b"[]", 400),
        (b'{"share": 1}', 400),
        (b'{"share": "OSHARE-\\ud800"}', 400),
        (b'{"share": "' + b"A" * SHARE_LIMIT_BYTES + b'"}', 413),
    ],
)
async def test_what_is_no_share_is_refused(tmp_path, body, status):
    transport = httpx.AsyncHTTPTransport(uds=str(socket_path(tmp_path)))
    seal = make_seal(3, 2, os.urandom).seal
    async with (
        SealDoor(tmp_path, seal, lambda _: "opened") as door,
        httpx.AsyncClient(transport=transport, base_url="http://seal") as http,
    ):
        answer = await http.post("/seal/shares", content=body)
        assert (answer.status_code, door.unsealing.given) == (status, 0)
        assert answer.json()["code"] in {"invalid_request", "request_too_large"}

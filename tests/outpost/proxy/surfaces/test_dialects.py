import json

import pytest

from outpost.errors import Rejected
from outpost.proxy.surfaces.dialects import ANTHROPIC, OPENAI


def test_keys_go_where_the_vendor_wants_them():
    assert OPENAI.credentials("k") == {"Authorization": "Bearer k"}
    assert ANTHROPIC.credentials("k") == {"x-api-key": "k"}


def test_a_broken_stream_ends_in_the_vendors_own_error():
    assert OPENAI.error_event("c", "m", 502).startswith(b'data: {"error": ')
    name, _, data = ANTHROPIC.error_event("c", "m", 502).partition(b"\ndata: ")
    assert name == b"event: error"
    assert json.loads(data) == {"type": "error", "error": {"type": "api_error", "message": "m", "code": "c"}}


def test_versions_and_features_pass():
    assert OPENAI.request_headers({"anthropic-version": "x"}) == {}
    assert ANTHROPIC.request_headers({}) == {"anthropic-version": "2023-06-01"}
    received = {
        "anthropic-version": "2024-01-31",
        "anthropic-beta": "interleaved-thinking-2025-05-14, context-1m-2025-08-07",
        "user-agent": "x",
    }
    assert ANTHROPIC.request_headers(received) == {
        "anthropic-version": "2024-01-31",
        "anthropic-beta": "interleaved-thinking-2025-05-14,context-1m-2025-08-07",
    }


@pytest.mark.parametrize(
    "received",
    [
        {"anthropic-version": "latest"},
        {"anthropic-version": "2023-06-01\r\nx: y"},
        {"anthropic-beta": "4111111111111111"},
        {"anthropic-beta": "word"},
        {"anthropic-beta": "sk-ant-api03-a8Xk29dLQpz"},
        {"anthropic-beta": "x-1," * 17},
        {"anthropic-beta": "erika@example.org"},
    ],
)
def test_anything_else_in_them_is_refused(received):
    with pytest.raises(Rejected):
        ANTHROPIC.request_headers(received)

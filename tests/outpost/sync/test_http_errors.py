import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import ControlPlaneUnavailable, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.sync.http_errors import error_of

BODY = b'{"code": "outpost_revoked", "message": "this outpost is revoked", "new_field": 1}'


def test_a_refusal_has_the_servers_code_and_message():
    err = error_of(403, None, BODY)
    assert isinstance(err, Rejected)
    assert (err.code, err.message) == (ErrorCode.OUTPOST_REVOKED, "this outpost is revoked")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, b"<html>not here</html>", ErrorCode.NOT_FOUND),
        (413, b"", ErrorCode.REQUEST_TOO_LARGE),
        (403, b'{"code": "from_the_future", "message": "?"}', ErrorCode.INVALID_REQUEST),
        (499, b"", ErrorCode.INVALID_REQUEST),
    ],
)
def test_a_refusal_without_a_known_code_is_still_a_refusal(status, body, code):
    err = error_of(status, None, body)
    assert isinstance(err, Rejected)
    assert err.code is code


def test_a_message_cannot_drive_a_terminal_or_fill_a_log():
    body = json.dumps({"code": "token_used", "message": "\x1b[2Jused\r\n\u202e" + "x" * 5000}).encode()
    message = str(error_of(409, None, body))
    assert message.startswith("[2Jusedxxx")
    assert message.isprintable()
    assert len(message) == 500


@pytest.mark.parametrize("status", [100, 301, 302, 408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_unavailable_even_with_a_code(status):
    err = error_of(status, "17", BODY)
    assert isinstance(err, ControlPlaneUnavailable)
    assert err.retry_after_s == 17.0


@pytest.mark.parametrize("value", [None, "", "-1", "1.5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 400, "\u0661"])
def test_a_retry_after_that_is_not_seconds_is_ignored(value):
    assert error_of(503, value, b"").retry_after_s is None


@given(status=st.integers(100, 999), retry_after=st.none() | st.text(), body=st.binary())
def test_any_answer_gives_one_of_the_two_errors(status, retry_after, body):
    assert isinstance(error_of(status, retry_after, body), Rejected | ControlPlaneUnavailable)

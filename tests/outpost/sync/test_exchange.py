"""What a failed exchange means; the bounds are tested through ``test_client.py``."""

import ssl

import httpx
import pytest

from outpost.errors import (
    CertificateRefused,
    ControlPlaneHungUp,
    ControlPlaneOutOfTime,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
)
from outpost.sync.exchange import exchange


def verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    return error


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "alert")
    error.reason = reason
    return error


FAILURES = [
    (verification(9), ControlPlaneOutOfTime),
    (verification(10), ControlPlaneOutOfTime),
    (verification(20), ControlPlaneUntrusted),
    (alert("SSLV3_ALERT_CERTIFICATE_EXPIRED"), CertificateRefused),
    (alert("TLSV1_ALERT_UNKNOWN_CA"), CertificateRefused),
    (alert("TLSV1_ALERT_INTERNAL_ERROR"), ControlPlaneUnavailable),
    (httpx.ReadError("reset"), ControlPlaneHungUp),
    (httpx.RemoteProtocolError("closed"), ControlPlaneHungUp),
    (httpx.ConnectTimeout("slow"), ControlPlaneUnavailable),
    (httpx.ReadTimeout("slow"), ControlPlaneUnavailable),
]


@pytest.mark.parametrize(("failure", "expected"), FAILURES, ids=str)
@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_failure_has_its_own_type(failure, expected, wrapped):
    def fail(request):
        if wrapped and isinstance(failure, ssl.SSLError):
            raise httpx.ConnectError("wrapped") from failure
        raise failure

    async with httpx.AsyncClient(transport=httpx.MockTransport(fail)) as http:
        with pytest.raises(expected) as caught:
            await exchange(http, http.build_request("GET", "https://cp/"), max_bytes=10, total_s=5)
    assert type(caught.value) is expected


async def test_the_date_is_told_even_with_a_refusal():
    heard = []
    answer = httpx.Response(503, headers={"Date": "Mon, 01 Jun 2026 12:00:00 GMT"})
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: answer)) as http:
        with pytest.raises(ControlPlaneUnavailable):
            await exchange(
                http, http.build_request("GET", "https://cp/"), max_bytes=10, total_s=5, on_date=heard.append
            )
    assert [at.isoformat() for at in heard] == ["2026-06-01T12:00:00+00:00"]

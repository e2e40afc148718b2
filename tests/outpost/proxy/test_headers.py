import pytest

from outpost.dlp.engine import default_engine
from outpost.errors import Rejected
from outpost.protocol.ids import RequestId
from outpost.proxy.exchange import Exchange
from outpost.proxy.headers import answer_headers, inspected_headers
from outpost.proxy.surfaces.dialects import ANTHROPIC, OPENAI
from outpost.proxy.surfaces.registry import SURFACES

EXCHANGE = Exchange(RequestId("id-1"), "s", None)


def test_a_client_gets_what_looks_like_a_name_or_a_number():
    received = {"openai-version": "2020-10-01", "openai-model": "erika@example.org", "set-cookie": "x", "server": "y"}
    assert answer_headers(OPENAI, EXCHANGE, received) == {
        "openai-version": "2020-10-01",
        "X-Request-Id": "id-1",
        "X-Policy-Action": "ALLOW",
    }
    assert answer_headers(ANTHROPIC, EXCHANGE, {})["request-id"] == "id-1"


def test_a_client_is_told_who_answered():
    exchange = Exchange(RequestId("id-1"), "s", None, model="gpt-4o", provider_id="openai")
    assert answer_headers(OPENAI, exchange, {})["X-Provider"] == "openai"
    assert answer_headers(OPENAI, exchange, {})["X-Model"] == "gpt-4o"
    exchange.upstream_model = "gpt-4o-mini"
    assert answer_headers(OPENAI, exchange, {})["X-Model"] == "gpt-4o-mini"
    exchange.upstream_model = "no\r\nheader: of ours"
    assert "X-Model" not in answer_headers(OPENAI, exchange, {})


def test_a_provider_gets_what_its_api_needs():
    received = {"Content-Type": "multipart/form-data; boundary=abc", "Cookie": "x", "User-Agent": "y"}
    assert inspected_headers(SURFACES["/v1/chat/completions"], received, default_engine()) == {}
    assert inspected_headers(SURFACES["/v1/messages"], received, default_engine()) == {
        "anthropic-version": "2023-06-01"
    }
    assert inspected_headers(SURFACES["/v1/files"], received, default_engine()) == {
        "Content-Type": "multipart/form-data; boundary=abc"
    }


def test_a_header_is_inspected_too():
    received = {"Content-Type": "multipart/form-data; boundary=4111111111111111"}
    with pytest.raises(Rejected, match="'Content-Type'"):
        inspected_headers(SURFACES["/v1/files"], received, default_engine())

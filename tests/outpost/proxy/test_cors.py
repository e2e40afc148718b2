import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.config import Config, load_config
from outpost.errors import ConfigError
from outpost.proxy.cors import Cors
from tests.outpost.proxy.setup import CARD, CHAT, chat, error_of

PAGE = "https://chat.example.org"
CORS = Cors(frozenset({PAGE}))
ASKED = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, x-stainless-lang",
}
OTHERS = [
    "https://evil.example.org",
    "https://chat.example.org.evil.org",
    "http://chat.example.org",
    "null",
    PAGE + ":8443",
]


async def test_it_is_off_unless_configured(outpost, client):
    preflight = await client.options(CHAT, headers=ASKED)
    error_of(preflight, 405, "method_not_allowed")
    answer = await client.post(CHAT, json=chat(), headers={"Origin": PAGE})
    for response in (preflight, answer):
        assert not [name for name in response.headers if name.startswith("access-control") or name == "vary"]


async def test_a_page_that_is_named_may_ask_and_read_answers_refusals_and_streams(start, client_of, upstream):
    async with start(settings={"cors_origins": [PAGE]}) as running, client_of(running) as client:
        async with httpx.AsyncClient(base_url=running.base_url) as browser:
            granted = await browser.options(CHAT, headers=ASKED)
        assert (granted.status_code, granted.content) == (204, b"")
        assert granted.headers["access-control-allow-origin"] == PAGE
        assert granted.headers["access-control-allow-methods"] == "POST"
        assert granted.headers["access-control-allow-headers"] == ASKED["Access-Control-Request-Headers"]
        assert (await client.options("/v1/models", headers=ASKED)).headers["access-control-allow-methods"] == "GET"
        assert not upstream.requests

        for body, status in [(chat(), 200), (chat(stream=True), 200), (chat(CARD), 403)]:
            response = await client.post(CHAT, json=body, headers={"Origin": PAGE})
            assert response.status_code == status
            assert response.headers["access-control-allow-origin"] == PAGE
            assert response.headers["vary"] == "Origin"
            assert "X-Request-Id" in response.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize("origin", OTHERS)
async def test_no_other_page_may(start, client_of, origin):
    async with start(settings={"cors_origins": [PAGE]}) as running, client_of(running) as client:
        refused = await client.options(CHAT, headers=ASKED | {"Origin": origin})
        error_of(refused, 405, "method_not_allowed")
        answer = await client.post(CHAT, json=chat(), headers={"Origin": origin})
        for response in (refused, answer):
            assert not [name for name in response.headers if name.startswith("access-control")]
            assert response.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "https://*.example.org", "https://a.org/", "https://a.org/x", "A.org", "https://u@a.org", ""],
)
def test_a_wildcard_is_not_an_origin(monkeypatch, origin):
    with pytest.raises(ConfigError, match="cors_origins"):
        load_config(overrides={"cors_origins": [origin]})


def test_origins_are_as_browsers_send_them():
    origins = ["http://localhost:3000", "https://a-b.example.org", "http://[::1]:8080", "http://192.0.2.1"]
    assert Config(cors_origins=origins).cors_origins == origins


@given(st.text(), st.dictionaries(st.sampled_from(list(ASKED)), st.text() | st.sampled_from([*ASKED.values()])))
def test_whatever_is_asked_nothing_of_it_becomes_a_header_that_it_should_not(method, received):
    headers = CORS.preflight(method, received, "POST") or {}
    assert method == "OPTIONS" or not headers
    assert not headers or received["Origin"] == PAGE
    for value in (headers | CORS.answer_headers(received.get("Origin"))).values():
        assert value.isascii()
        assert value.isprintable()
        assert value != "*"

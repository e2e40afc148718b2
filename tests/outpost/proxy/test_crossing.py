import json

import pytest

from outpost.errors import Rejected
from outpost.policy.routing import apis_for
from outpost.proxy import sse
from outpost.proxy.crossing import dialects, spoken, translated
from outpost.proxy.surfaces.registry import SURFACES
from outpost.translation.sent import Sent

CHAT, MESSAGES = SURFACES["/v1/chat/completions"], SURFACES["/v1/messages"]


def test_only_conversations_cross():
    assert dialects(CHAT) == ("openai", "anthropic")
    assert dialects(MESSAGES) == ("anthropic", "openai")
    for surface in SURFACES.values():
        if surface not in {CHAT, MESSAGES}:
            assert dialects(surface) == (surface.dialect.name,)


def test_lint_and_simulation_know_the_same():
    for surface in SURFACES.values():
        assert apis_for(surface.name) == dialects(surface)


def test_at_a_provider_the_surface_is_that_of_its_api():
    assert spoken(CHAT, "openai") is CHAT
    assert spoken(CHAT, "anthropic") is MESSAGES
    assert spoken(MESSAGES, "openai") is CHAT
    assert spoken(SURFACES["/v1/embeddings"], "openai") is SURFACES["/v1/embeddings"]


class Doubling:
    """Says everything twice, and goodbye."""

    def feed(self, data):
        if data == b"bad":
            raise Rejected("provider_invalid_response", "bad")
        return [Sent(data, b"message"), Sent(data)]

    def end(self):
        return [Sent(json.dumps("bye").encode())]


async def crossed(*datas):
    async def events():
        for data in datas:
            yield sse.Event(sse.KEEP_ALIVE if data is None else b"as received", data)

    return [event async for event in translated(events(), Doubling())]


async def test_events_are_replaced_by_what_they_become_and_an_end():
    got = await crossed(b"1", None)

    assert [event.raw for event in got] == [
        b"event: message\ndata: 1\n\n",
        b"data: 1\n\n",
        sse.KEEP_ALIVE,
        b'data: "bye"\n\n',
    ]
    assert [event.name for event in got] == [b"message", None, None, None]


async def test_what_cannot_be_translated_ends_it():
    with pytest.raises(Rejected):
        await crossed(b"1", b"bad", b"2")

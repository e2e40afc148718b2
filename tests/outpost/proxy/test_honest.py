"""A bounded share of what `make fuzz FUZZ=surfaces` does for as long as one wants, and whether it would notice."""

import random

import pytest

from tests.outpost.proxy.honest import BLOCKING, RESTORING, Unnoticed, honest, joined, redacted, spliced
from tests.outpost.proxy.surfaces.planting import EMAIL


async def test_bodies_without_a_finding_reach_the_provider_as_they_were_and_answers_come_back_as_they_were(
    start, upstream
):
    async with start(BLOCKING) as running:
        site = Unnoticed(running, upstream)
        for seed in range(60):
            await site.honest(seed)
        assert site.served > 45
        await site.close()


async def test_what_is_redacted_and_restored_changes_nothing_else(start, upstream):
    async with start(RESTORING) as running:
        site = Unnoticed(running, upstream)
        for seed in range(40):
            await site.redacted(seed)
        await site.close()


def test_bodies_are_of_every_surface_and_no_two_are_the_same():
    made = [honest(random.Random(seed), str(seed)) for seed in range(100)]
    assert len({path for path, _ in made}) == 6
    assert len({raw for _, raw in made}) == 100


@pytest.mark.parametrize(
    ("received", "is_promised"),
    [
        (b'{"a":"\\"to <EMAIL_1>","b": 1.0}', True),
        (b'{"a":"\\u0022to <EMAIL_12>","b": 1.0}', True),
        (b'{"a":"\\"to <EMAIL_1>","b": 1}', False),
        (b'{"a":"\\"to <EMAIL_1>!","b": 1.0}', False),
        (b'{"a":"\\"to erika.mustermann@example.org","b": 1.0}', False),
    ],
)
def test_a_splice_is_of_one_string_and_of_nothing_but_the_address(received, is_promised):
    raw = b'{"a":"\\"to ' + EMAIL.encode() + b'","b": 1.0}'
    assert spliced(raw, received) is is_promised


def test_events_are_joined_by_their_text_and_by_nothing_else():
    def event(text, index=0):
        return f'data: {{"choices": [{{"index": {index}, "delta": {{"content": "{text}"}}}}]}}\n\n'

    assert joined(event("a") + event("b")) == joined(event("ab"))
    assert joined(event("a") + event("b", 1)) != joined(event("ab"))
    assert joined(event("a") + "data: [DONE]\n\n") != joined(event("a"))


def test_a_body_to_redact_holds_its_address_once():
    for seed in range(50):
        assert redacted(random.Random(seed), "m")[1].count(EMAIL.encode()) == 1

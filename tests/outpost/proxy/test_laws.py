"""A bounded share of what `make fuzz` does for as long as one wants."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.engine import Engine
from outpost.dlp.registry import ALL
from tests.outpost.proxy import laws
from tests.outpost.proxy.setup import policy

ENGINE = Engine(ALL)
KINDS = ("pci.pan", "pii.email", "unscannable.*")
HASTY = {"body_timeout_s": 0.5, "header_timeout_s": 0.5, "keepalive_timeout_s": 0.5}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 32), st.lists(st.integers(0, 5_000), max_size=4))
def test_every_parser_takes_any_bytes_or_refuses_them(seed, cuts):
    laws.check_bytes(ENGINE, laws.seeds(random.Random(seed)), cuts)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_and_bytes_that_nobody_would_send(data):
    laws.check_bytes(ENGINE, data, [])


async def test_no_planted_secret_passes_and_nothing_fails_whatever_the_schema_allows(start, upstream):
    async with start(policy("BLOCK", KINDS), settings=HASTY) as running:
        site = laws.Site(running, upstream)
        for seed in range(60):
            await site.structured(seed)
        assert site.refused > 30
        await site.close()


async def test_no_broken_http_passes_a_secret_or_fails(start, upstream, capsys):
    async with start(policy("BLOCK", KINDS), settings=HASTY) as running:
        site = laws.Site(running, upstream)
        for first in range(0, 60, 30):
            await asyncio.gather(*(site.raw(seed) for seed in range(first, first + 30)))
        await site.close()
    assert "Traceback" not in "".join(capsys.readouterr())
    assert "unforeseen_error" not in "".join(capsys.readouterr())

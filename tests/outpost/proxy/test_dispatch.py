import asyncio
import contextlib
import json

import pytest

from outpost.errors import Untranslatable
from outpost.policy.routing import Target
from outpost.protocol.codes import ErrorCode
from outpost.protocol.routing import Provider, Retry
from outpost.proxy.attempts import Outcome
from outpost.proxy.dispatch import Dispatch, Errand, Outgoing
from outpost.proxy.forward import Forwarder, ForwardTimeouts, ProviderRefused
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.surfaces.openai_chat import SURFACE
from tests.fakes.clock import Ticks
from tests.outpost.proxy.setup import answer, provider_keeping, provider_saying

TIMEOUTS = ForwardTimeouts(connect_s=1, read_s=0.4, total_s=3)
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
DEAD = "http://127.0.0.1:9/v1"
FULL = answer(b"{}", "Retry-After: 7", status="429 Too Many")


def provider(name, url, **fields):
    return Provider(id=name, surface="openai", base_url=url, models=["*"], **fields)


class Setting:
    """A dispatch with its clock, and what was tried."""

    def __init__(self, keys=lambda key_id: f"sk-{key_id}"):
        self.ticks = Ticks()
        self.metrics = ProxyMetrics()
        self.tried = []
        self.foreign = set()
        self.forwarder = Forwarder(keys, timeouts=TIMEOUTS, max_answer_bytes=1_000)
        self.dispatch = Dispatch(self.forwarder, self.metrics, self.ticks, lambda: 0.5)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.forwarder.aclose()

    def errand(self, targets, *, repeatable=True, streams=False, retry=None):
        async def prepare(hop):
            if hop.provider.id in self.foreign:
                raise Untranslatable(ErrorCode.UNTRANSLATABLE, "n", "cannot be said")
            return Outgoing(SURFACE, json.dumps({"model": hop.model}).encode(), {})

        hops = self.dispatch.plan(targets)

        def tried(hop, outcome):
            if outcome is not Outcome.STALE:  # whether the fake has closed in time is a matter of chance
                self.tried.append((str(hop), outcome))

        return Errand(hops, retry or Retry(), repeatable, streams, prepare, tried)

    async def ask(self, *providers, **more):
        """What was answered; each of ``providers`` is of a higher order than the one before."""
        targets = [Target(one, order=number) for number, one in enumerate(providers)]
        async with self.dispatch.answer(self.errand(targets, **more)) as got:
            if got.stream is not None:
                return b"".join([part async for part in got.stream])
            return got.body


FAILING = {
    "rate limited": (FULL, False, Outcome.RATE_LIMITED),
    "overloaded": (answer(b"{}", status="529 Overloaded"), False, Outcome.OVERLOADED),
    "failed": (answer(b"{}", status="500 Oops"), False, Outcome.FAILED),
    "key refused": (answer(b"{}", status="401 No"), False, Outcome.KEY_REFUSED),
    "hung up": (b"", False, Outcome.BROKEN),
    "cut": (answer(b"{}" * 50)[:-20], False, Outcome.BROKEN),
    "stalled": (b"", True, Outcome.TIMEOUT),
    "stalled in its answer": (answer(b"{}" * 50)[:-20], True, Outcome.TIMEOUT),
    "not HTTP": (b"SSH-2.0-x\r\n\r\n", False, Outcome.BROKEN),
    "a stream that says nothing": (EVENTS, True, Outcome.TIMEOUT),
}


@pytest.mark.parametrize(("raw", "hold", "outcome"), FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("streams", [False, True])
async def test_another_takes_the_place_of_who_fails(raw, hold, outcome, *, streams):
    async with (
        provider_saying(raw, hold=hold) as (bad, asked, gone),
        provider_saying(answer(b"good")) as (good, _, _),
        Setting() as setting,
    ):
        said = await setting.ask(provider("a", bad), provider("b", good), streams=streams)

        assert said == b"good"
        assert len(asked) == 1
        assert setting.tried == [("a", outcome), ("b", Outcome.OK)]
        if hold:  # nothing of the one that failed is held on to
            async with asyncio.timeout(2):
                await gone.wait()


async def test_a_provider_that_is_not_there_is_passed_over():
    async with provider_saying(answer(b"good")) as (good, _, _), Setting() as setting:
        assert await setting.ask(provider("a", DEAD), provider("b", good), repeatable=False) == b"good"
        assert setting.tried[0] == ("a", Outcome.UNREACHABLE)


FINAL = {
    "the caller's mistake": (answer(b"{}", status="400 Bad"), Outcome.REFUSED),
    "an answer too large": (answer(b"x" * 1_001), Outcome.INVALID),
    "a redirect": (answer(b"", "Location: http://127.0.0.1:9/", status="307 Elsewhere"), Outcome.INVALID),
}


@pytest.mark.parametrize(("raw", "outcome"), FINAL.values(), ids=FINAL)
async def test_nobody_else_is_asked_where_it_would_not_help(raw, outcome):
    async with (
        provider_saying(raw) as (bad, _, _),
        provider_saying(answer(b"good")) as (good, asked, _),
        Setting() as setting,
    ):
        with pytest.raises(ProviderRefused) as refused:
            await setting.ask(provider("a", bad), provider("b", good))

        assert refused.value.outcome is outcome
        assert not asked


async def test_what_may_have_been_done_is_not_done_twice():
    async with (
        provider_saying(answer(b"{}", status="500 Oops")) as (bad, _, _),
        provider_saying(answer(b"good")) as (good, asked, _),
        Setting() as setting,
    ):
        with pytest.raises(ProviderRefused):
            await setting.ask(provider("a", bad), provider("b", good), repeatable=False)

        assert not asked


async def test_kept_connections_that_are_closed_are_made_anew_however_many():
    async with provider_keeping(answer(b"good"), together=3) as (url, seen), Setting() as setting:
        assert await asyncio.gather(*[setting.ask(provider("a", url)) for _ in range(3)]) == [b"good"] * 3
        for _ in range(3):
            assert await setting.ask(provider("a", url)) == b"good"

        assert sorted(seen[3:]) == [1, 2, 3, 4, 5, 6], "each is asked over a kept one, then over one of its own"
        assert setting.tried == [("a", Outcome.OK)] * 6


async def test_what_must_not_be_done_twice_goes_over_no_kept_connection():
    async with provider_keeping(answer(b"good")) as (url, seen), Setting() as setting:
        for _ in range(3):
            assert await setting.ask(provider("a", url)) == b"good"  # keeps one
            assert await setting.ask(provider("a", url), repeatable=False) == b"good"

        assert seen.count(1) == 2, "only what is repeatable comes over it"
        assert len(seen) == 7


async def test_a_kept_connection_that_ends_within_an_answer_was_not_idle():
    begun = answer(b"good")[:15]
    async with provider_keeping(answer(b"good"), last=begun) as (url, seen), Setting() as setting:
        assert await setting.ask(provider("a", url)) == b"good"
        with pytest.raises(ProviderRefused) as refused:
            await setting.ask(provider("a", url))

        assert refused.value.outcome is Outcome.BROKEN
        assert seen == [1, 1]


async def test_after_the_first_byte_of_a_stream_there_is_no_other():
    async with (
        provider_saying(EVENTS + b"data: {}\n\n", hold=True) as (bad, _, _),
        provider_saying(EVENTS + b"data: [DONE]\n\n") as (good, asked, _),
        Setting() as setting,
    ):
        with pytest.raises(ProviderRefused) as refused:
            await setting.ask(provider("a", bad), provider("b", good), streams=True)

        assert refused.value.code is ErrorCode.PROVIDER_TIMEOUT
        assert not asked


async def test_a_stall_may_be_given_less_time_than_an_answer():
    impatient = {"timeouts": {"first_byte_s": 0.05, "read_s": 30}}
    async with (
        provider_saying(b"", hold=True) as (bad, _, _),
        provider_saying(answer(b"good")) as (good, _, _),
        Setting() as setting,
    ):
        async with asyncio.timeout(5):
            assert await setting.ask(provider("a", bad, **impatient), provider("b", good)) == b"good"


async def test_a_key_that_is_limited_gives_way_to_the_next_and_rests():
    keys = {"keys": [{"id": "k1"}, {"id": "k2", "weight": 0}]}
    async with provider_saying(FULL) as (url, asked, _), Setting() as setting:
        with pytest.raises(ProviderRefused) as refused:
            await setting.ask(provider("a", url, **keys))
        assert [line for one in asked for line in one.split(b"\r\n") if line.startswith(b"Authorization")] == [
            b"Authorization: Bearer sk-k1",
            b"Authorization: Bearer sk-k2",
        ]
        assert refused.value.retry_after_s == "7"
        setting.tried.clear()
        with pytest.raises(ProviderRefused):
            await setting.ask(provider("a", url, **keys), provider("b", DEAD))
        assert setting.tried == [
            ("b", Outcome.UNREACHABLE),
            ("a/k1", Outcome.RATE_LIMITED),
            ("a/k2", Outcome.RATE_LIMITED),
        ]


async def test_a_key_that_is_not_here_is_passed_over_and_nothing_goes_without_one():
    keys = {"keys": [{"id": "k1"}, {"id": "k2", "weight": 0}]}
    async with provider_saying(answer(b"good")) as (url, asked, _):
        async with Setting(lambda key_id: "sk-x" if key_id == "k2" else None) as setting:
            assert await setting.ask(provider("a", url, **keys)) == b"good"
            assert setting.tried == [("a/k1", Outcome.NO_KEY), ("a/k2", Outcome.OK)]
        async with Setting(lambda _key_id: None) as setting:
            with pytest.raises(ProviderRefused, match="does not hold the provider's key"):
                await setting.ask(provider("a", url, **keys))
        assert len(asked) == 1


async def test_who_failed_often_is_asked_last_until_its_time_is_over():
    async with (
        provider_saying(answer(b"{}", status="500 Oops")) as (bad, asked, _),
        provider_saying(answer(b"good")) as (good, _, _),
        Setting() as setting,
    ):
        both = provider("a", bad), provider("b", good)
        for _ in range(8):
            assert await setting.ask(*both) == b"good"
        assert len(asked) == 5
        ejected = {"provider": "a", "key": ""}
        assert setting.metrics.registry.get_sample_value("outpost_provider_ejected", ejected) == 1
        setting.ticks.now_s += 30
        assert setting.metrics.registry.get_sample_value("outpost_provider_ejected", ejected) == 0
        await setting.ask(*both)
        assert len(asked) == 6  # one probe, which failed
        await setting.ask(*both)
        assert len(asked) == 6
        setting.ticks.now_s += 60
        recovered = provider("a", good), provider("b", bad)
        assert await setting.ask(*recovered) == b"good"
        assert setting.metrics.registry.get_sample_value("outpost_provider_ejected", ejected) == 0
        counted = {"provider": "a", "key": "a", "outcome": "failed"}
        assert setting.metrics.registry.get_sample_value("outpost_provider_attempts_total", counted) == 6


async def test_a_stream_that_breaks_off_counts_against_its_provider():
    async with provider_saying(EVENTS + b"data: {}\n\n", hold=True) as (bad, _, _), Setting() as setting:
        for _ in range(5):
            with pytest.raises(ProviderRefused):
                await setting.ask(provider("a", bad), streams=True)
        plan = setting.dispatch.plan([Target(provider("a", bad)), Target(provider("b", bad), order=1)])
        assert [str(hop) for hop in plan] == ["b", "a"]


async def test_a_caller_who_goes_away_says_nothing_of_the_provider():
    async with provider_saying(b"", hold=True) as (bad, asked, gone), Setting() as setting:
        call = asyncio.ensure_future(setting.ask(provider("a", bad), provider("b", DEAD)))
        await seen(asked)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        async with asyncio.timeout(2):
            await gone.wait()
        assert setting.tried == [("a", Outcome.CANCELLED)]


async def seen(asked):
    async with asyncio.timeout(3):
        while not asked:  # noqa: ASYNC110 - a list of the fake's
            await asyncio.sleep(0.01)


async def test_a_full_pool_fails_over():
    async with (
        provider_saying(b"", hold=True) as (slow, asked, _),
        provider_saying(answer(b"good")) as (good, _, _),
        Setting() as setting,
    ):
        one = provider("a", slow, max_connections=1)
        first = asyncio.ensure_future(setting.ask(one, provider("b", good)))
        await seen(asked)
        assert await setting.ask(one, provider("b", good)) == b"good"
        assert setting.tried[0] == ("a", Outcome.BUSY)
        assert await first == b"good"


async def test_the_only_one_is_waited_for_if_the_bundle_gives_time():
    limited = [answer(b"{}", "Retry-After: 1", status="429 Too Many"), answer(b"good")]

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(limited.pop(0))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, Setting() as setting:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        assert await setting.ask(provider("a", url), retry=Retry(wait_s=2)) == b"good"
        assert [outcome for _, outcome in setting.tried] == [Outcome.RATE_LIMITED, Outcome.OK]


async def test_who_cannot_be_told_is_passed_over_and_does_not_count():
    async with provider_saying(answer(b"good")) as (good, _, _), Setting() as setting:
        setting.foreign = {"a", "b"}
        three = provider("a", DEAD), provider("b", DEAD), provider("c", good)
        assert await setting.ask(*three, retry=Retry(max_attempts=1)) == b"good"
        setting.foreign |= {"c"}
        with pytest.raises(Untranslatable):
            await setting.ask(*three)
        setting.foreign = {"b"}
        with pytest.raises(ProviderRefused):  # what a provider said weighs more
            await setting.ask(*three[:2])

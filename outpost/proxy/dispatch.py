"""One request to the first provider that answers it: attempts one after the other, as ``attempts`` decides.

An attempt lasts until the whole answer is here, or the first piece of a streamed one; until then nothing was
released, so another may take its place. After that there is no other: what breaks off then breaks off for the caller.
Every attempt is counted, and told to ``health``.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from outpost.errors import Rejected, Untranslatable
from outpost.policy.routing import Target
from outpost.protocol.codes import ErrorCode
from outpost.protocol.routing import Retry
from outpost.proxy.attempts import Attempt, Hop, Outcome, following, in_order
from outpost.proxy.forward import Call, Forwarder, ProviderRefused
from outpost.proxy.health import HealthBoard, Standing
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.surfaces.surface import Surface
from outpost.translation.exchange import Exchange as Translation

EVENT_STREAM: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What one hop is sent, without the provider's key.

    Attributes:
        surface: At the provider, whose API it may be alone.
        body: Inspected.
        headers: Likewise.
        translation: Of the answer, if ``surface`` is not the client's.
    """

    surface: Surface
    body: bytes
    headers: Mapping[str, str]
    translation: Translation | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """One inspected request, and what may be done for it.

    Attributes:
        hops: In the order of asking (``Dispatch.plan``); at least one.
        retry: How often and how long.
        repeatable: Whether doing it twice does no harm.
        streams: The caller takes a streamed answer.
        prepare: What a hop is sent.
        tried: Told of every attempt, with its outcome.
    """

    hops: Sequence[Hop]
    retry: Retry
    repeatable: bool
    streams: bool
    prepare: Callable[[Hop], Awaitable[Outgoing]]
    tried: Callable[[Hop, Outcome], None]


@dataclass(frozen=True, slots=True)
class Answered:
    """A successful answer.

    Attributes:
        outgoing: What it answers.
        headers: As received.
        body: All of it; empty if it streams.
        stream: Its parts as they arrive, the first of which is here; None if it does not stream.
    """

    outgoing: Outgoing
    headers: Mapping[str, str]
    body: bytes
    stream: AsyncIterator[bytes] | None = None


@dataclass(slots=True)
class _Held:
    """What the answer in hand rests on."""

    call: Call | None = None
    rest: AsyncGenerator[bytes, None] | None = None

    async def let_go(self) -> None:
        rest, call = self.rest, self.call
        self.rest = self.call = None
        try:
            if rest is not None:
                await rest.aclose()
        finally:
            if call is not None:
                call.close()


class Dispatch:
    """Sends errands."""

    def __init__(
        self,
        forwarder: Forwarder,
        metrics: ProxyMetrics,
        clock_s: Callable[[], float],
        draw: Callable[[], float],
        health: HealthBoard | None = None,
    ) -> None:
        """``clock_s`` is monotonic; ``draw`` gives numbers in [0, 1); ``health`` is for others to see too."""
        self._forwarder = forwarder
        self._metrics = metrics
        self._clock_s = clock_s
        self._draw = draw
        self._health = health or HealthBoard(clock_s)

    def plan(self, targets: Sequence[Target]) -> tuple[Hop, ...]:
        """Every way to ask ``targets``, in the order of asking."""
        return in_order(targets, self._health.standing, self._draw)

    def answer(self, errand: Errand) -> "Answering":
        """A context: the first answer that anybody gives; its connection is held until leaving.

        Raises:
            Rejected: On entering: what the last one who was asked said.
        """
        return Answering(self, errand)

    async def first_answer(self, errand: Errand, held: _Held) -> Answered:
        """The first answer; ``held`` gets what it rests on. Raises as ``answer``."""
        began_s, waited_s = self._clock_s(), 0.0
        failures: list[Attempt] = []
        refusal: Rejected | None = None
        # What must not be done twice never goes where it cannot be told whether it was done (RFC 9110 §9.2.2).
        hop, fresh = errand.hops[0], not errand.repeatable
        while True:
            try:
                return await self._attempt(errand, hop, held, fresh=fresh)
            except ProviderRefused as err:
                failures.append(Attempt(hop, err.outcome, _seconds(err.retry_after_s)))
                refusal = err.with_traceback(None)
            except Untranslatable as err:
                failures.append(Attempt(hop, Outcome.UNTRANSLATABLE))
                refusal = refusal or err.with_traceback(None)  # what a provider said weighs more
            step = following(
                errand.hops,
                failures,
                errand.retry,
                elapsed_s=self._clock_s() - began_s,
                waited_s=waited_s,
                repeatable=errand.repeatable,
                draw=self._draw,
            )
            if step is None:
                raise refusal
            hop, fresh = step.hop, step.fresh or not errand.repeatable
            if step.wait_s:
                await asyncio.sleep(step.wait_s)
                waited_s += step.wait_s

    async def _attempt(self, errand: Errand, hop: Hop, held: _Held, *, fresh: bool) -> Answered:
        """One attempt; ``held`` has the connection of one that succeeds. ``fresh``: over one of its own.

        Raises:
            ProviderRefused: It failed, and nothing of it is held any more.
        """
        answered: Answered | None = None
        outcome, wait_s = Outcome.CANCELLED, None
        self.asks(hop)
        try:
            answered = await self._ask(errand, hop, held, fresh=fresh)
        except ProviderRefused as err:
            outcome, wait_s = err.outcome, _seconds(err.retry_after_s)
            raise
        except Untranslatable:
            outcome = Outcome.UNTRANSLATABLE
            raise
        else:
            outcome = Outcome.OK
            return answered
        finally:
            if answered is None:
                await held.let_go()
            self._metrics.attempt_of(hop.provider.id, hop.key_id, outcome).inc()
            if answered is None or answered.stream is None:
                self.tell(hop, outcome, wait_s)
            errand.tried(hop, outcome)

    async def _ask(self, errand: Errand, hop: Hop, held: _Held, *, fresh: bool) -> Answered:
        outgoing = await errand.prepare(hop)
        surface = outgoing.surface
        credentials = self._forwarder.credentials(hop.provider, surface.dialect.credentials, hop.key_id)
        headers = {**outgoing.headers, **credentials}
        held.call = self._forwarder.post(hop.provider, surface.forward_path, outgoing.body, headers, fresh=fresh)
        answer, first = await self._forwarder.begun(held.call)
        if errand.streams and answer.content_type == EVENT_STREAM:
            held.rest = self._rest(hop, first, self._forwarder.stream(answer))
            return Answered(outgoing, answer.headers, b"", held.rest)
        return Answered(outgoing, answer.headers, await self._forwarder.read(answer, first))

    async def _rest(self, hop: Hop, first: bytes, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """A stream from its first part on. What is learned of its provider is learned when it ends."""
        outcome = Outcome.CANCELLED
        try:
            yield first
            async for part in parts:
                yield part
            outcome = Outcome.OK
        except GeneratorExit:  # whoever reads has read enough
            outcome = Outcome.OK
            raise
        except ProviderRefused as err:
            outcome = err.outcome
            raise
        finally:
            self.tell(hop, outcome, None)

    def asks(self, hop: Hop) -> None:
        """A request goes to ``hop``; ``tell`` is to follow."""
        for subject in hop.subjects:
            self._health.asked(subject)

    def tell(self, hop: Hop, outcome: Outcome, wait_s: float | None) -> None:
        """Tell ``health`` what an outcome says of the provider and of its key."""
        health, (provider, key) = self._health, hop.subjects
        match outcome:
            case Outcome.OK | Outcome.REFUSED:
                health.succeeded(provider)
                health.succeeded(key)
            case Outcome.RATE_LIMITED:
                health.succeeded(provider)
                health.held(key, wait_s, outcome)
            case Outcome.KEY_REFUSED:
                health.succeeded(provider)
                health.dismissed(key, outcome)
            case Outcome.OVERLOADED:
                health.held(provider, wait_s, outcome)
                health.forgotten(key)
            case Outcome.BUSY | Outcome.NO_KEY | Outcome.UNTRANSLATABLE | Outcome.STALE | Outcome.CANCELLED:
                health.forgotten(provider)
                health.forgotten(key)
            case _:
                health.failed(provider, outcome)
                health.forgotten(key)
        if outcome is not Outcome.OK:
            for subject in hop.subjects:
                self._watch(subject)

    def _watch(self, subject: tuple[str, str | None]) -> None:
        """Have the metric say at any time whether ``subject`` is ejected."""
        provider, key = subject
        gauge = self._metrics.ejected.labels(provider, key or "")
        gauge.set_function(lambda: float(self._health.standing(subject) is Standing.EJECTED))


class Answering:
    """An answer while it is in use (``Dispatch.answer``)."""

    __slots__ = ("_dispatch", "_errand", "_held")

    def __init__(self, dispatch: Dispatch, errand: Errand) -> None:
        self._dispatch, self._errand, self._held = dispatch, errand, _Held()

    async def __aenter__(self) -> Answered:
        """Ask."""
        return await self._dispatch.first_answer(self._errand, self._held)

    async def __aexit__(self, *_: object) -> None:
        """Let go of the connection."""
        await self._held.let_go()


def _seconds(wish: str | None) -> float | None:
    return None if wish is None else float(wish)


def nobody(dialect: str) -> Rejected:
    """The refusal of a model that nobody serves."""
    return Rejected(ErrorCode.UNKNOWN_MODEL, f"no provider of the policy bundle serves this model in {dialect}'s API")


def nobody_there(place: str) -> Rejected:
    """The refusal of a request that the policy sends where its API is not spoken."""
    message = f"the policy sends this request to {place}, where this API is not served"
    return Rejected(ErrorCode.ROUTE_UNAVAILABLE, message)

"""A WebSocket at the first provider that takes it: handshakes one after the other, as ``attempts`` decides.

Nothing has been said over a socket that is being opened, so another provider, or another key, may be asked whatever
went wrong; once one is open there is no other. Every handshake is counted, and told to ``health``, like a request.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal

import aiohttp

from outpost.policy.routing import Target
from outpost.protocol.routing import Retry
from outpost.proxy.attempts import Attempt, Hop, Outcome, following
from outpost.proxy.dispatch import Dispatch
from outpost.proxy.forward import ProviderRefused
from outpost.proxy.parts import ProxyParts
from outpost.proxy.surfaces.dialects import OPENAI

Socket = aiohttp.ClientWebSocketResponse[Literal[False]]


@dataclass(frozen=True, slots=True)
class Wish:
    """A socket that is wanted.

    Attributes:
        hops: Who may open it, in the order of asking (``Connector.plan``); at least one.
        retry: How often and how long they are asked.
        path: At each of them.
        headers: Without the credentials.
        tried: Told of every handshake.
    """

    hops: Sequence[Hop]
    retry: Retry
    path: str
    headers: Mapping[str, str]
    tried: Callable[[Hop, Outcome], None]


class Connector:
    """Opens sockets."""

    def __init__(self, parts: ProxyParts) -> None:
        self._parts = parts
        self._dispatch = Dispatch(parts.forwarder, parts.metrics, parts.clock_s, parts.draw, parts.health)

    def plan(self, targets: Sequence[Target]) -> tuple[Hop, ...]:
        """Every way to ask ``targets``, in the order of asking."""
        return self._dispatch.plan(targets)

    async def open(self, wish: Wish, stack: AsyncExitStack) -> tuple[Hop, Socket]:
        """The first socket that is to be had, and who opened it; ``stack`` closes it.

        Raises:
            ProviderRefused: What the last one who was asked said.
        """
        hops, parts = wish.hops, self._parts
        began_s, waited_s = parts.clock_s(), 0.0
        failures: list[Attempt] = []
        hop = hops[0]
        while True:
            try:
                return hop, await self._handshake(wish, hop, stack)
            except ProviderRefused as err:
                failures.append(Attempt(hop, err.outcome, _seconds(err)))
                step = following(
                    hops,
                    failures,
                    wish.retry,
                    elapsed_s=parts.clock_s() - began_s,
                    waited_s=waited_s,
                    repeatable=True,
                    draw=parts.draw,
                )
                if step is None:
                    raise
            hop = step.hop
            if step.wait_s:
                await asyncio.sleep(step.wait_s)
                waited_s += step.wait_s

    async def _handshake(self, wish: Wish, hop: Hop, stack: AsyncExitStack) -> Socket:
        forwarder, limits = self._parts.forwarder, self._parts.realtime
        outcome, wait_s = Outcome.CANCELLED, None
        self._dispatch.asks(hop)
        try:
            headers = {**wish.headers, **forwarder.credentials(hop.provider, OPENAI.credentials, hop.key_id)}
            socket = await stack.enter_async_context(
                forwarder.socket(
                    hop.provider, wish.path, headers, max_event_bytes=limits.max_event_bytes, ping_s=limits.ping_s
                )
            )
        except ProviderRefused as err:
            outcome, wait_s = err.outcome, _seconds(err)
            raise
        else:
            outcome = Outcome.OK
            return socket
        finally:
            self._parts.metrics.attempts.labels(hop.provider.id, hop.key_id, outcome).inc()
            self._dispatch.tell(hop, outcome, wait_s)
            wish.tried(hop, outcome)


def _seconds(err: ProviderRefused) -> float | None:
    return None if err.retry_after_s is None else float(err.retry_after_s)

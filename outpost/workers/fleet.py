"""Keeps N workers alive before one writer, and makes every change reach all of them before it counts as in force.

A worker serves only once it enforces what the parent enforces; a change is done when every worker has obeyed or is
dead. One that does not answer in time is killed: nobody could say what it still lets through. One that has ended is
started again, later and later; health is red meanwhile (ADR 0010).
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import structlog

from outpost.cache.bundles import StoredBundle
from outpost.proxy.drain import Drain
from outpost.workers.audit_door import Log
from outpost.workers.control import Gone
from outpost.workers.member import Member, Surroundings
from outpost.workers.metrics import Gathered
from outpost.workers.model_relay import Asked
from outpost.workers.orders import Enforced, Start, bundle_to_json
from outpost.workers.outlook import Outlook
from outpost.workers.slots import Slots, make_memory

START_S: Final = 120.0  # an interpreter, all imports and a large bundle on a slow, busy machine
APPLY_S: Final = 60.0  # a bundle of 100,000 keys takes seconds
REVOKE_S: Final = 5.0  # a few turns of an event loop
PULSE_EVERY_S: Final = 1.0
PULSE_S: Final = 20.0  # longer than anything holds an event loop, also on a busy machine
SCRAPE_S: Final = 1.0  # metrics that come later are those of the pulse before
DRAIN_MARGIN_S: Final = 10.0  # a worker keeps its own time; beyond it, it is stuck
BACKOFF_S: Final = 0.25
MOST_BACKOFF_S: Final = 30.0
HEALTHY_S: Final = 60.0  # a worker that lived so long did not fail at its start

_log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Crew:
    """How many workers there are, and how they live.

    Attributes:
        count: Those that serve.
        log: The one writer of events.
        models: Whom texts are put to.
        on_end: A worker has ended unasked; the reason.
        grace_s: How long requests in flight may finish when a worker is replaced.
        linger_s: How long an idle connection may stay with a worker that is replaced.
    """

    count: int
    log: Log
    models: Asked
    on_end: Callable[[str], None]
    grace_s: float
    linger_s: float


class Fleet:
    """The workers of one outpost. Between ``open`` and ``close`` it keeps them alive."""

    def __init__(self, crew: Crew, start: Start, enforced: Enforced) -> None:
        """``start`` is what each is born with."""
        self._crew = crew
        self._count = crew.count
        self._start = start
        self._enforced = enforced
        self.standing: Callable[[], dict[str, Any]] = dict
        """What workers are told every second (``outpost.worker``); set before ``open``."""
        self._generation = 0
        self._around: Surroundings | None = None
        self._slots: Slots | None = None
        self._sockets: list[socket.socket] = []
        self._all: set[Member] = set()
        self._obeying: set[Member] = set()
        """Serves, or is about to: every change must reach it."""
        self._serving: dict[int, Member] = {}
        """By place, 0 to ``count`` - 1: those that take new clients."""
        self._free = set(range(2 * crew.count))
        """Slots; a worker that is replaced keeps its own until it is gone."""
        self._replace = [asyncio.Event() for _ in range(crew.count)]
        self._tasks: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()
        self._complete = False
        self.ends = 0
        """Workers that ended unasked."""
        self.gathered = Gathered()
        self.outlook = Outlook()

    # What health says

    def problem(self) -> str | None:
        """Why not everything is as it should be; None if it is."""
        missing = self._count - len(self._serving)
        return f"workers: {missing} of {self._count} are missing" if missing else None

    @property
    def serves(self) -> bool:
        """Whether anybody takes new clients."""
        return bool(self._serving) and self._complete

    def report(self) -> dict[str, Any]:
        """For ``/health``."""
        return {
            "configured": self._count,
            "serving": len(self._serving),
            "pids": [member.pid for _, member in sorted(self._serving.items())],
            "ended_unasked": self.ends,
            "draining": len(self._obeying) - len(self._serving),
        }

    # Changes: each is done when nobody decides by what was before

    async def enforce(self, bundle: StoredBundle) -> None:
        """Have every worker enforce ``bundle``, which the parent has verified and compiled."""
        self._enforced = Enforced(bundle, self._enforced.secrets, self._enforced.revoked)
        await self._reach_all("bundle", bundle_to_json(bundle), APPLY_S)

    async def change_secrets(self, opened: Mapping[str, str]) -> None:
        """Have every worker use these secrets."""
        self._enforced = Enforced(self._enforced.bundle, opened, self._enforced.revoked)
        await self._reach_all("secrets", {"secrets": dict(opened)}, APPLY_S)

    async def set_revoked(self, revoked: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        """Have every worker refuse everybody, or no longer."""
        self._enforced = Enforced(self._enforced.bundle, self._enforced.secrets, revoked)
        await self._reach_all("revoked", {"revoked": revoked}, REVOKE_S)

    async def _reach_all(self, kind: str, content: Mapping[str, Any], timeout_s: float) -> None:
        self._generation += 1  # whoever is being started is given it before it serves
        members = [*self._obeying]
        await asyncio.gather(*(self._reach(member, kind, content, timeout_s) for member in members))

    async def _reach(self, member: Member, kind: str, content: Mapping[str, Any], timeout_s: float) -> None:
        try:
            await member.ask(kind, content, timeout_s=timeout_s)
        except Gone:
            _log.error("worker_did_not_obey", order=kind, pid=member.pid)
            await _wait_for(member)  # killed; until it is dead it could still let something through

    # Life

    @property
    def addresses(self) -> Sequence[tuple[str, int]]:
        """Host and port of each socket."""
        return [tuple(one.getsockname()[:2]) for one in self._sockets]

    async def open_on_sockets(self, sockets: Sequence[socket.socket]) -> None:
        """Start the workers. Who connects waits until the first of them serves. The sockets are then the fleet's."""
        self._sockets = [*sockets]
        memory = make_memory(2 * self._count)
        self._slots = Slots(memory, 2 * self._count)
        listeners = tuple(one.fileno() for one in self._sockets)
        self._around = Surroundings(self._crew.log, self._crew.models, memory, 2 * self._count, listeners)
        self._tasks = [asyncio.ensure_future(self._keep(place)) for place in range(self._count)]
        self._tasks.append(asyncio.ensure_future(self._pulse()))

    async def run(self, ended: asyncio.Event) -> None:
        """Until ``ended``; raises what nobody foresaw, so that the program ends."""
        ending = asyncio.ensure_future(ended.wait())
        try:
            done, _ = await asyncio.wait({ending, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {ending}:
                task.result()
        except asyncio.CancelledError:
            if not any(task.cancelled() for task in self._tasks):
                raise
        finally:
            ending.cancel()

    def renew(self, born_with: Mapping[str, Any], *, grace_s: float, linger_s: float) -> None:
        """Replace every worker by a new process, without turning a client away; ``born_with`` is what differs."""
        self._start = replace(self._start, **born_with)
        # Clients of a worker that was born with a longer patience may stay as long as they were told.
        self._crew = replace(self._crew, grace_s=grace_s, linger_s=max(linger_s, self._crew.linger_s))
        for event in self._replace:
            event.set()

    async def announce(self, most_s: float) -> None:
        """Go on, but have every client told to come back on a new connection; until all have been, or ``most_s``."""
        content, timeout_s = {"most_s": most_s}, most_s + DRAIN_MARGIN_S
        await asyncio.gather(*(self._reach(member, "announce", content, timeout_s) for member in self._obeying))

    async def leave(self, linger_s: float, how: Drain) -> int:
        """As ``drain``, and who is connected but has asked nothing yet may do so for ``linger_s``."""
        return await self.drain(how, linger_s)

    async def drain(self, how: Drain, linger_s: float = 0.0) -> int:
        """Let what is open end; how many connections had to be cut."""
        await self._stop_keeping()
        members = [*self._all]
        for member in members:
            member.expected = True
            if member not in self._obeying:
                member.kill("it was not serving yet")
        await asyncio.gather(*(self._ask_pulse(member) for member in self._obeying))  # readiness drops first
        await how.wait(asyncio.Event(), how.delay_s)
        for one in self._sockets:
            one.close()  # nobody waits in a queue that nobody serves any more
        hurrying = asyncio.ensure_future(self._hurry(how))
        cut = await asyncio.gather(*(self._let_go(member, linger_s, how.grace_s) for member in self._obeying))
        hurrying.cancel()
        await self.close()
        return sum(cut)

    async def close(self) -> None:
        """End everything now."""
        await self._stop_keeping()
        for one in self._sockets:
            one.close()
        for member in self._all:
            member.expected = True
            member.kill("the outpost ends")
        await asyncio.gather(*(_wait_for(member) for member in [*self._all]))
        await asyncio.gather(*self._background, return_exceptions=True)
        around, self._around = self._around, None
        if around is not None:
            os.close(around.memory)

    async def _stop_keeping(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _hurry(self, how: Drain) -> None:
        await how.hurry.wait()
        for member in self._obeying:
            with contextlib.suppress(Gone):
                await member.ask("hurry", timeout_s=PULSE_S)

    async def scrape(self) -> None:
        """Have the newest metrics of every worker that answers at once."""
        asking = {asyncio.ensure_future(self._ask_pulse(member)) for member in self._obeying}
        if asking:
            await asyncio.wait(asking, timeout=SCRAPE_S)

    async def _keep(self, place: int) -> None:
        """One place: somebody serves there, again and again."""
        backoff_s = BACKOFF_S
        while True:
            began_s = time.monotonic()
            member = await self._bring_up(place)
            while member is not None:
                replacing = asyncio.ensure_future(self._replace[place].wait())
                await asyncio.wait({member.ended, replacing}, return_when=asyncio.FIRST_COMPLETED)
                replacing.cancel()
                if member.ended.done():
                    break
                self._replace[place].clear()
                member = await self._succeed(place, member)
            if time.monotonic() - began_s > HEALTHY_S:
                backoff_s = BACKOFF_S
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, MOST_BACKOFF_S)

    async def _bring_up(self, place: int) -> Member | None:
        """A worker that enforces what is enforced, and serves; None if there is none."""
        try:
            member = await _to_its_end(self._spawn(place))
        except OSError as err:
            _log.error("worker_not_started", reason=err.strerror)
            return None
        try:
            await self._make_ready(member)
        except Gone:
            await _wait_for(member)
            return None
        if member.ended.done() or member.expected:
            return None
        self._serving[place] = member
        if len(self._serving) == self._count:
            self._complete = True
        _log.info("worker_serves", place=place, pid=member.pid)
        return member

    async def _spawn(self, place: int) -> Member:
        if self._around is None:
            raise OSError(0, "the outpost ends")
        index = self._free.pop()
        try:
            member = await Member.spawn(index, self._around)
        except OSError:
            self._free.add(index)
            raise
        self._all.add(member)
        self._in_background(self._see_off(place, member))
        return member

    async def _make_ready(self, member: Member) -> None:
        await member.ask("start", self._start.to_json(), timeout_s=START_S)
        while True:
            generation, now = self._generation, self._enforced
            if now.secrets is not None:
                await member.ask("secrets", {"secrets": dict(now.secrets)}, timeout_s=APPLY_S)
            if now.bundle is not None:
                await member.ask("bundle", bundle_to_json(now.bundle), timeout_s=APPLY_S)
            await member.ask("revoked", {"revoked": now.revoked}, timeout_s=PULSE_S)
            await self._ask_pulse(member)
            if generation == self._generation:
                break
        self._obeying.add(member)  # nothing is awaited since the comparison: no change passes it by
        await member.ask("serve", timeout_s=PULSE_S)

    async def _succeed(self, place: int, before: Member) -> Member | None:
        """Another worker in this place; the one before stays if there is none."""
        member = await self._bring_up(place)
        if member is None:
            _log.error("worker_not_replaced", place=place, pid=before.pid)
            return before
        self._in_background(self._replaced(before))
        return member

    async def _replaced(self, member: Member) -> None:
        await self._let_go(member, self._crew.linger_s, self._crew.grace_s)

    async def _see_off(self, place: int, member: Member) -> None:
        await _wait_for(member)
        self._all.discard(member)
        self._obeying.discard(member)
        if self._serving.get(place) is member:
            del self._serving[place]
        if self._slots is not None:
            self._slots.clear(member.index)
        self._free.add(member.index)
        self.gathered.ended(member)
        self.outlook.ended(member)
        if not member.expected:
            self.ends += 1
            _log.error("worker_ended", place=place, pid=member.pid, exit_code=member.exit_code, reason=member.reason)
            self._crew.on_end(f"{member.reason} (exit code {member.exit_code})")

    async def _let_go(self, member: Member, linger_s: float, grace_s: float) -> int:
        """Have a worker finish what it does and end; how many connections it had to cut."""
        member.expected = True
        patience_s = linger_s + grace_s + DRAIN_MARGIN_S
        cut = 0
        with contextlib.suppress(Gone):
            answer = await member.ask("drain", {"grace_s": grace_s, "linger_s": linger_s}, timeout_s=patience_s)
            cut = int(answer.get("cut", 0))
        await _wait_for(member)
        return cut

    async def _pulse(self) -> None:
        asking: dict[Member, asyncio.Future[None]] = {}
        while True:
            asking = {member: task for member, task in asking.items() if not task.done()}
            for member in self._obeying - asking.keys():
                asking[member] = asyncio.ensure_future(self._ask_pulse(member))
            await asyncio.sleep(PULSE_EVERY_S)

    async def _ask_pulse(self, member: Member) -> None:
        standing = self.standing()
        try:
            providers = [one.to_json() for one in self.outlook.providers()]
            answer = await member.ask("pulse", {**standing, "providers": providers}, timeout_s=PULSE_S)
        except Gone:
            return
        kinds = standing.get("models", {}).get("kinds")
        member.known_kinds = None if kinds is None else frozenset(kinds)
        if member in self._all:
            self.gathered.update(member, answer.get("metrics", []))
            self.outlook.update(member, answer)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _wait_for(member: Member) -> None:
    """Until it is gone; whoever stops waiting changes nothing."""
    await asyncio.wait({member.ended})


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do ``work`` whole, also when this is cancelled meanwhile: a process that nobody knows would never end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise

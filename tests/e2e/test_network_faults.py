"""A network that breaks in every way a network can, under each exchange that an identity lives by.

The real control plane and the real synchronisation talk TLS through a TCP link that fails as told. While it fails the
identity on disk is whole and opens the same doors; when it has ended, what was asked for goes through. A link in
process instead of network namespaces: it needs no privileges, and it can break one connection at an exact byte.
"""

import asyncio
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from control_plane.app import Opened, Server
from control_plane.authorities import Kind
from control_plane.ceremonies import Ceremonies
from control_plane.config import Config
from control_plane.operations_core import utc_now
from control_plane.rotation import Step
from outpost.errors import OutpostError
from outpost.protocol.messages import HeartbeatReply
from outpost.sync import doorstep, enrol
from outpost.sync.client import Timeouts
from outpost.sync.identity import Identity, is_enrolled, load_identity
from outpost.sync.tls import mutual_context, server_context
from tests.fakes.faulty_link import Fault, FaultyLink, faulty_link
from tests.fakes.installation import FIRST, Installed, OutpostKeys, installed
from tests.fakes.member import Member, start_member

IMPATIENT = Timeouts(connect_s=0.3, read_s=0.3, total_s=1.5, download_total_s=1.5, watch_s=1.5)
IN_HANDSHAKE, IN_ANSWER = 600, 120  # bytes of the server's: before the handshake's end, and after it
FAULTS = [
    (Fault.REFUSE, None),
    (Fault.BLACK_HOLE, None),
    (Fault.SILENCE, IN_ANSWER),
    *((fault, where) for fault in (Fault.CUT, Fault.RESET, Fault.HALF_CLOSE) for where in (IN_HANDSHAKE, IN_ANSWER)),
    (Fault.TRICKLE, IN_ANSWER),
]
everyhow = pytest.mark.parametrize(
    ("fault", "where"),
    FAULTS,
    ids=[f"{fault.value}{'' if where is None else ' in the answer' if where == IN_ANSWER else ' in the handshake'}"
         for fault, where in FAULTS],
)  # fmt: skip
second = pytest.mark.parametrize("spare", [0, 1], ids=["on the first connection", "on the second"])
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@dataclass
class Site:
    """A control plane behind two links."""

    plane: Installed
    platform: FaultyLink
    sync: FaultyLink
    data_dir: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.platform.port}"

    def token(self) -> str:
        _, token = self.plane.operations.create_outpost("acme", "edge", timedelta(minutes=15))
        return token.text

    async def enrol(self, token: str | None = None) -> Identity:
        return await asyncio.to_thread(enrol.register, self.url, token or self.token(), self.data_dir)

    def certificates(self) -> int:
        """How many were ever issued."""
        with self.plane.operations.database.read() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM certificates").scalar()

    async def break_links(self, fault: Fault, where: int | None, spare: int) -> None:
        """Break both links, but for ``spare`` connections each.

        ``IN_ANSWER`` counts from the end of the handshake that these two ends make.
        """
        for link, context in ((self.platform, self._server_context()), (self.sync, self._mutual_context())):
            handshake = 0
            if where == IN_ANSWER:
                before = link.passed
                _, writer = await asyncio.open_connection("127.0.0.1", link.port, ssl=context)
                await asyncio.sleep(0.05)
                handshake = link.passed - before
                writer.transport.abort()
            link.after_bytes = handshake + (where or 0)
            link.fault, link.spare = fault, spare
            link.cut()

    def mend(self) -> None:
        for link in (self.platform, self.sync):
            link.fault, link.spare = Fault.NONE, 0
            link.cut()

    def _server_context(self) -> ssl.SSLContext:
        return server_context([self.plane.operations.newest_trust().anchor])

    def _mutual_context(self) -> ssl.SSLContext:
        if is_enrolled(self.data_dir):
            return mutual_context(load_identity(self.data_dir, utc_now()))
        return self._server_context()


@pytest.fixture
async def site(tmp_path):
    async with AsyncExitStack() as stack:
        platform, sync = [await stack.enter_async_context(faulty_link(0)) for _ in range(2)]
        plane = stack.enter_context(installed(tmp_path / "data", utc_now))
        config = Config(
            data_dir=plane.path,
            platform_host="127.0.0.1",
            platform_port=0,
            outpost_host="127.0.0.1",
            outpost_port=0,
            public_sync_url=f"https://127.0.0.1:{sync.port}",
            shutdown_grace_s=0.2,
            watch_poll_s=0.1,
        )
        server = await stack.enter_async_context(Server(config, Opened(plane.operations, FIRST.server_names)))
        for link, name in ((platform, "platform"), (sync, "outpost")):
            link.target = ("127.0.0.1", int(server.urls[name].rpartition(":")[2]))
        yield Site(plane, platform, sync, tmp_path / "outpost")
        for link in (platform, sync):
            link.cut()


@pytest.fixture
async def member(site):
    await site.enrol()
    async with start_member(site.data_dir) as running:
        await running.live(passes=1)
        assert running.loop.errors == {}
        yield running


@asynccontextmanager
async def broken(
    site: Site, fault: Fault, where: int | None, monkeypatch, member: Member | None = None, spare: int = 0
):
    """The network is broken, and both ends of patience short."""
    await site.break_links(fault, where, spare)
    with monkeypatch.context() as patch:
        for module, name, seconds in (
            (enrol, "TIMEOUT_S", 0.6),
            (doorstep, "_STEP_S", 0.3),
            (doorstep, "_TOTAL_S", 1.5),
        ):
            patch.setattr(module, name, seconds)
        if member is not None:
            patch.setattr(member.client, "_timeouts", IMPATIENT)
        yield
    site.mend()


async def survives(site: Site, member: Member, fault: Fault, where: int | None, monkeypatch, spare: int = 0) -> None:
    """Live through the fault: the identity in use stays the one on disk, whole, and it is one of this outpost."""
    async with broken(site, fault, where, monkeypatch, member, spare):
        await member.live(passes=1)
        assert member.loop.errors
        stored = member.stored()
        assert stored.certificate == member.identity.certificate
        assert stored.is_current(utc_now())


@everyhow
@second
async def test_enrolment(site, monkeypatch, fault, where, spare):
    """The first connection fetches the anchor, the second brings the token."""
    token = site.token()
    async with broken(site, fault, where, monkeypatch, spare=spare):
        with pytest.raises(OutpostError):
            await site.enrol(token)
        assert not is_enrolled(site.data_dir)
        assert site.certificates() == (1 if spare and where == IN_ANSWER else 0)
    identity = await site.enrol(token)  # the same token, as the message says
    assert load_identity(site.data_dir, utc_now()).certificate == identity.certificate
    assert site.certificates() == 1


@everyhow
@second
async def test_renewal(site, member, monkeypatch, fault, where, spare):
    """The first connection asks, the second proves the candidate."""
    before = member.identity.certificate
    member.keeper.note_reply(HeartbeatReply(server_time=utc_now(), interval_s=30, renew=True))
    await survives(site, member, fault, where, monkeypatch, spare)
    assert member.identity.certificate == before
    assert site.certificates() == (2 if spare or where == IN_ANSWER else 1)
    await member.live()
    assert member.loop.errors == {}
    assert member.stored().certificate == member.identity.certificate != before
    assert site.certificates() == 2  # a lost answer was asked for again with the same key


@everyhow
async def test_recovery(site, member, monkeypatch, fault, where):
    before = member.identity.certificate
    ceremonies = Ceremonies(site.plane.operations, heartbeat_interval_s=30)
    ceremonies.prepare(Kind.INTERMEDIATE)
    for step in (Step.ACTIVATE, Step.RETIRE):
        ceremonies.advance(Kind.INTERMEDIATE, step, override=True, reason="test")
    await member.live(passes=1)  # is refused, and hears of nothing else
    assert member.stored().certificate == before
    await survives(site, member, fault, where, monkeypatch)
    assert member.stored().certificate == before
    await member.live()
    assert member.loop.errors == {}
    assert member.stored().certificate == member.identity.certificate != before
    new = site.plane.operations.newest_trust().intermediate.certificate
    member.stored().certificate.verify_directly_issued_by(new)


@everyhow
async def test_trust(site, member, monkeypatch, fault, where):
    state = Ceremonies(site.plane.operations, heartbeat_interval_s=30).prepare(Kind.INTERMEDIATE)
    beat = HeartbeatReply(server_time=utc_now(), interval_s=30, trust_generation=state.generation)
    member.keeper.note_reply(beat)
    await survives(site, member, fault, where, monkeypatch)
    assert member.stored().trust_generation < state.generation
    await member.live()
    assert member.loop.errors == {}
    assert member.stored().trust_generation == state.generation


@everyhow
async def test_revocation_list(site, member, monkeypatch, fault, where):
    file = member.identity.directory / "crl.der"
    before = file.read_bytes()
    other, _ = site.plane.operations.create_outpost("acme", "other", timedelta(minutes=15))
    await asyncio.to_thread(_revoke_somebody, site, other.id)
    async with broken(site, fault, where, monkeypatch, member):
        with pytest.raises(OutpostError):
            await member.revocations.check()
        assert (file.read_bytes(), member.revocations.revoked) == (before, False)
    await member.revocations.check()
    now = x509.load_der_x509_crl(file.read_bytes())
    assert len(list(now)) == 1
    assert member.revocations.revoked is False


def _revoke_somebody(site: Site, outpost_id: str) -> None:
    """Another outpost, enrolled and revoked, so that the next list has a higher number."""
    operations = site.plane.operations
    token = operations.create_token(outpost_id, timedelta(minutes=15))
    operations.enroll(OutpostKeys().message(token.text))
    operations.revoke_outpost(outpost_id)


async def test_a_slow_network_fails_nothing(site):
    for link in (site.platform, site.sync):
        link.fault = Fault.DELAY
    await site.enrol()
    async with start_member(site.data_dir) as member:
        await member.live()
        assert member.loop.errors == {}
        before = member.identity.certificate
        member.keeper.note_reply(HeartbeatReply(server_time=utc_now(), interval_s=30, renew=True))
        await member.live()
        assert member.loop.errors == {}
        assert member.stored().certificate == member.identity.certificate != before

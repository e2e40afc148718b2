"""Renewal, recovery and rotation as an outpost lives through them, with real files and a control plane that rotates."""

import asyncio
from datetime import timedelta

import pytest

from outpost.errors import (
    CertificateRefused,
    ControlPlaneHungUp,
    ControlPlaneOutOfTime,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
    Rejected,
)
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import Heartbeat
from outpost.sync.client import ControlPlaneClient
from outpost.sync.credentials import candidate_key, load_candidate, make_candidate, store_candidate
from outpost.sync.identity import load_identity
from outpost.sync.trust import Trust
from pki.keys import certificate_sha256, spki_sha256
from tests.fakes.clock import FakeClock
from tests.fakes.pki import TestAuthority

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def parts(standing, identity, client, stores):
    return standing(identity, client, stores)


@pytest.fixture
def keeper(parts):
    return parts.keeper


@pytest.fixture
def compose(clock, parts):
    def compose(identity) -> Heartbeat:
        return Heartbeat(
            outpost_version="0.1.0",
            sent_at=clock(),
            bundle=None,
            audit_size=0,
            audit_delivered=0,
            certificate_sha256=certificate_sha256(identity.certificate).hex(),
            trust_generation=identity.trust_generation,
            instance_id=parts.keeper.instance_id,
        )

    return compose


async def beat(client, keeper, compose) -> None:
    keeper.note_reply(await client.heartbeat(compose(keeper.identity)))
    keeper.note_accepted()


# Renewal


async def test_before_half_of_its_life_nothing_is_asked(keeper, compose, plane, clock):
    clock.advance(3.4 * DAY)
    await keeper.keep(compose)
    assert plane.renewed == []


async def test_at_half_of_its_life_it_has_a_new_key_and_certificate(keeper, compose, plane, clock, identity, data_dir):
    clock.advance(3.6 * DAY)
    await keeper.keep(compose)
    new = keeper.identity
    assert spki_sha256(new.certificate.public_key()) != spki_sha256(identity.certificate.public_key())
    assert new.certificate.not_valid_after_utc == clock() + 7 * DAY
    assert load_identity(data_dir, clock()).certificate == new.certificate
    proof = plane.beats["edge-1"][-1]
    assert proof.certificate_sha256 == certificate_sha256(new.certificate).hex()
    await keeper.keep(compose)
    assert plane.renewed == ["edge-1"]


async def test_the_control_plane_may_ask_for_it_earlier(keeper, client, compose, plane):
    plane.activate(plane.new_intermediate())
    await beat(client, keeper, compose)
    await keeper.keep(compose)
    assert keeper.identity.certificate.issuer == plane.intermediate.certificate.subject
    assert keeper.identity.trust_generation == plane.generation
    await beat(client, keeper, compose)
    await keeper.keep(compose)
    assert plane.renewed == ["edge-1"]


async def test_a_candidate_that_cannot_be_proven_now_is_proven_later_without_asking_again(
    keeper, client, compose, plane, clock, identity
):
    clock.advance(4 * DAY)

    class NoHeartbeat(ControlPlaneClient):
        async def heartbeat(self, message):
            raise ControlPlaneUnavailable("cut off")

    client.another = lambda candidate: NoHeartbeat(candidate, transport=plane.transport_for)
    with pytest.raises(ControlPlaneUnavailable):
        await keeper.keep(compose)
    assert keeper.identity is identity
    assert load_candidate(identity, clock()) is not None
    del client.another
    await keeper.keep(compose)
    assert keeper.identity.credentials == 1
    assert plane.renewed == ["edge-1"]


async def test_a_candidate_that_the_control_plane_refuses_is_discarded_and_the_old_one_serves(
    keeper, client, compose, clock, data_dir, plane
):
    clock.advance(4 * DAY)
    identity = keeper.identity

    class Refused(ControlPlaneClient):
        async def heartbeat(self, message):
            raise CertificateRefused("unknown ca")

    client.another = lambda candidate: Refused(candidate, transport=plane.transport_for)
    with pytest.raises(CertificateRefused):
        await keeper.keep(compose)
    assert load_candidate(identity, clock()) is None
    assert load_identity(data_dir, clock()).certificate == identity.certificate
    assert (await client.fetch_secrets()).version == 1


async def test_a_swap_cut_short_by_a_crash_is_finished_at_the_next_start(keeper, compose, plane, clock):
    identity = keeper.identity
    key = candidate_key(identity)
    certificate = plane.intermediate.issue_outpost(identity.spiffe_id, key.public_key(), clock())
    trust = Trust(1, identity.anchors, (plane.intermediate.certificate,))
    store_candidate(make_candidate(identity, key, certificate, trust, clock()))
    await keeper.keep(compose)
    assert keeper.identity.certificate == certificate
    assert plane.renewed == []


async def test_requests_under_way_end_on_the_connection_they_began_on(keeper, client, compose, clock):
    """Calls without pause while the certificate is replaced ten times: not one fails."""
    done, stop = [0], asyncio.Event()

    async def call() -> None:
        while not stop.is_set():
            await client.fetch_secrets()
            done[0] += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(call())
        for _ in range(10):
            clock.advance(4 * DAY)
            await keeper.keep(compose)
        stop.set()
    assert keeper.identity.credentials == 10
    assert done[0] > 20


# Recovery


async def test_an_expired_certificate_is_recovered_with_the_old_key(keeper, compose, plane, clock, data_dir):
    clock.advance(20 * DAY)
    await keeper.keep(compose)
    assert (plane.renewed, plane.recovered) == ([], ["edge-1"])
    assert load_identity(data_dir, clock()).is_current(clock())
    assert keeper.problem is None


async def test_a_connection_that_merely_breaks_leads_to_recovery_once_it_is_expired(
    keeper, client, compose, plane, clock
):
    class Broken(ControlPlaneClient):
        async def renew(self, request):
            raise ControlPlaneUnavailable("reset")

    client.__class__ = Broken
    clock.advance(6 * DAY)
    with pytest.raises(ControlPlaneUnavailable):
        await keeper.keep(compose)
    assert plane.recovered == []
    clock.advance(2 * DAY)
    await keeper.keep(compose)
    assert plane.recovered == ["edge-1"]


REFUSALS = [ErrorCode.RECOVERY_PENDING, ErrorCode.RECOVERY_INVALID]


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_refused_recovery_says_why_and_deletes_nothing(keeper, compose, plane, clock, data_dir, code):
    plane.refuse_recovery = code
    clock.advance(8 * DAY)
    for _ in range(2):
        with pytest.raises(Rejected):
            await keeper.keep(compose)
        assert keeper.problem.code is code
    assert load_identity(data_dir, clock()).outpost_id == "edge-1"
    plane.refuse_recovery = None
    await keeper.keep(compose)
    assert keeper.problem is None


async def test_too_late_revoked_unknown_and_dead_are_told_apart(keeper, compose, plane, clock):
    async def code() -> ErrorCode:
        with pytest.raises((Rejected, ControlPlaneUnavailable)):
            await keeper.keep(compose)
        return keeper.problem.code

    clock.advance(60 * DAY)
    plane.server_authority = plane.intermediate
    assert await code() is ErrorCode.RECOVERY_EXPIRED
    plane.revoke("edge-1")
    assert await code() is ErrorCode.OUTPOST_REVOKED
    kept = plane.registry.outposts.pop("edge-1")
    assert await code() is ErrorCode.UNKNOWN_OUTPOST
    plane.registry.outposts["edge-1"] = kept
    plane.down = True
    assert await code() is ErrorCode.UNAVAILABLE


# Authorities


async def test_a_rotation_of_the_root_is_followed_step_by_step(keeper, client, compose, plane, clock, data_dir):
    old, new = plane.root, plane.new_root()
    await beat(client, keeper, compose)
    await keeper.keep(compose)
    assert keeper.identity.anchors == (old.certificate, new.certificate)
    plane.activate(plane.new_intermediate(new))
    await beat(client, keeper, compose)
    await keeper.keep(compose)
    assert keeper.identity.certificate.issuer == plane.intermediate.certificate.subject
    plane.retire_old_root()
    await beat(client, keeper, compose)
    await keeper.keep(compose)
    assert keeper.identity.anchors == (new.certificate,)
    assert load_identity(data_dir, clock()).anchors == (new.certificate,)
    assert plane.recovered == []


async def test_offline_through_the_whole_rotation_of_the_root_it_comes_back_by_itself(
    keeper, compose, plane, clock, data_dir
):
    new = plane.new_root()
    plane.activate(plane.new_intermediate(new))
    plane.retire_old_root()
    clock.advance(10 * DAY)
    await keeper.keep(compose)
    assert plane.recovered == ["edge-1"]
    assert load_identity(data_dir, clock()).anchors == (new.certificate,)


async def test_a_retired_authority_leads_to_recovery_before_the_certificate_expires(keeper, client, compose, plane):
    new = plane.new_root()
    plane.activate(plane.new_intermediate(new))
    plane.retire_old_root()
    with pytest.raises(CertificateRefused) as refused:
        await client.fetch_secrets()
    assert keeper.note_refusal(refused.value)
    await keeper.keep(compose)
    assert plane.recovered == ["edge-1"]
    assert (await client.fetch_secrets()).version == 1


async def test_a_server_that_only_hangs_up_on_a_retired_authority_is_understood(keeper, client, compose, plane):
    plane.hangs_up = True
    plane.activate(plane.new_intermediate(plane.new_root()))
    plane.retire_old_root()
    asked = []
    for _ in range(3):
        with pytest.raises(ControlPlaneHungUp) as hung_up:
            await client.fetch_secrets()
        asked.append(keeper.note_refusal(hung_up.value))
    assert asked == [False, False, True]
    await keeper.keep(compose)
    assert plane.recovered == ["edge-1"]
    assert (await client.fetch_secrets()).version == 1


async def test_anchors_are_dropped_only_after_a_connection_with_what_is_left(
    keeper, client, compose, plane, data_dir, clock
):
    old, new = plane.root, plane.new_root()
    intermediate = plane.new_intermediate(new)
    plane.activate(intermediate)
    await beat(client, keeper, compose)
    await keeper.keep(compose)
    plane.retire_old_root()
    plane.proxied_by = None
    await beat(client, keeper, compose)
    stranger = TestAuthority.build("outpost.test")
    client.another = lambda identity: ControlPlaneClient(
        identity, transport=lambda _: _impersonated(plane, stranger, identity)
    )
    with pytest.raises(ControlPlaneUntrusted):
        await keeper.keep(compose)
    assert set(load_identity(data_dir, clock()).anchors) == {old.certificate, new.certificate}


def _impersonated(plane, stranger, identity):
    def answer(request):
        plane.proxied_by = stranger.server("control-plane.test").certificate
        try:
            return plane._over_tls(request, identity)
        finally:
            plane.proxied_by = None

    return type(plane.transport_for(identity))(answer)


async def test_a_root_that_nobody_vouches_for_is_not_believed(keeper, client, compose, plane, identity):
    plane.new_root()
    plane.crosses.clear()
    await beat(client, keeper, compose)
    await keeper.keep(compose)
    assert keeper.identity.anchors == identity.anchors
    assert keeper.identity.trust_generation == plane.generation


# Clock


@pytest.fixture
def at_another_time(standing, identity, client, stores, plane):
    def at_another_time(off):
        wrong = plane.outpost_clock = FakeClock(plane.clock() + off)
        return standing(identity, client, stores, outpost_clock=wrong), wrong

    return at_another_time


@pytest.mark.parametrize(
    ("off", "side"), [(timedelta(days=-20_000), "behind"), (timedelta(days=4_000), "ahead")], ids=["1971", "2037"]
)
async def test_a_wrong_clock_is_named_and_nothing_is_lost(at_another_time, client, compose, plane, off, side):
    parts, wrong = at_another_time(off)
    with pytest.raises(ControlPlaneOutOfTime) as caught:
        await client.fetch_secrets()
    assert parts.keeper.note_refusal(caught.value)
    if side == "ahead":  # it thinks that the certificate has expired, and asks
        with pytest.raises(ControlPlaneOutOfTime):
            await parts.keeper.keep(compose)
    else:
        await parts.keeper.keep(compose)
    assert parts.keeper.problem.code is ErrorCode.CLOCK_UNTRUSTED
    minutes = abs(off) // timedelta(minutes=1)
    assert f"your clock is {minutes} minutes off ({side})" in parts.keeper.problem.message
    assert "could not be verified" in parts.keeper.problem.message
    wrong.at = plane.clock()
    await beat(client, parts.keeper, compose)
    await parts.keeper.keep(compose)
    assert parts.keeper.problem is None
    assert plane.recovered == []

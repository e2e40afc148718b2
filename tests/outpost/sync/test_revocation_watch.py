import pytest

from outpost.cache.bundles import StateKey
from outpost.errors import ControlPlaneUnavailable, ControlPlaneUntrusted
from outpost.protocol import routes
from tests.fakes.pki import TestAuthority


@pytest.fixture
def parts(standing, identity, client, stores):
    return standing(identity, client, stores)


@pytest.fixture
def watch(parts):
    return parts.revocations


async def test_a_list_that_clears_changes_nothing_and_is_kept(watch, parts, identity):
    await watch.check()
    assert parts.revoked == []
    assert (identity.directory / "crl.der").exists()


async def test_a_list_that_names_us_is_obeyed_though_the_mutual_port_refuses(watch, parts, plane, stores):
    plane.revoke_signed("edge-1")
    await watch.check()
    assert parts.revoked == [True]
    assert stores.state.get(StateKey.REVOKED) is True
    assert ("GET", routes.PUBLIC_CRL) in plane.requests


async def test_a_restart_remembers_and_tells(standing, identity, client, stores, plane, watch):
    plane.revoke_signed("edge-1")
    await watch.check()
    again = standing(identity, client, stores)
    assert again.revocations.revoked
    assert again.revoked == [True]


async def test_it_ends_with_a_newer_list_and_an_answer_over_mutual_tls(watch, parts, plane):
    plane.revoke_signed("edge-1")
    await watch.check()
    plane.revoked_serials.clear()
    plane.crl_number += 1
    await watch.check()  # the list forgives, the registry does not
    assert parts.revoked == [True]
    plane.pardon("edge-1")
    await watch.check()
    assert parts.revoked == [True, False]


async def test_a_forged_or_an_old_list_changes_nothing(watch, parts, plane, stores):
    plane.crl_number = 9
    await watch.check()
    plane.crl_number = 8
    with pytest.raises(ControlPlaneUntrusted, match="older"):
        await watch.check()
    stranger = TestAuthority.build("outpost.test")
    plane.intermediates = [stranger.intermediate]
    plane.intermediate = stranger.intermediate
    plane.revoked_serials = {1 << 90}
    plane.crl_number = 10
    with pytest.raises(ControlPlaneUntrusted):
        await watch.check()
    assert parts.revoked == []
    assert stores.state.get(StateKey.REVOKED) is None


async def test_the_number_seen_outlives_a_restart(standing, identity, client, stores, plane, watch):
    plane.crl_number = 9
    await watch.check()
    plane.crl_number = 8
    with pytest.raises(ControlPlaneUntrusted, match="older"):
        await standing(identity, client, stores).revocations.check()


async def test_no_list_is_unavailable_and_changes_nothing(watch, parts, plane):
    plane.down = True
    with pytest.raises(ControlPlaneUnavailable):
        await watch.check()
    assert parts.revoked == []

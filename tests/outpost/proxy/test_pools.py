import asyncio

import pytest

from outpost.protocol.routing import Provider
from outpost.proxy.pools import Connection, PoolBusy, Pools, noting
from tests.outpost.proxy.setup import answer


def provider(name, **fields):
    return Provider(id=name, surface="openai", base_url="http://127.0.0.1:9/v1", models=["*"], **fields)


@pytest.fixture
async def pools():
    made = Pools()
    yield made
    await made.close()


async def test_each_provider_has_its_own_connections(pools):
    with pools.lease(provider("a")) as first, pools.lease(provider("a")) as again, pools.lease(provider("b")) as other:
        assert first is again
        assert first is not other
        assert first.connector is not other.connector


async def test_a_fresh_session_keeps_no_connection_and_counts_like_any(pools):
    limited = provider("a", max_connections=1)
    with pools.lease(limited) as kept:
        pass
    with pools.lease(limited, fresh=True) as fresh:
        assert (kept.connector.force_close, fresh.connector.force_close) == (False, True)
        with pytest.raises(PoolBusy), pools.lease(limited):
            pass


async def test_what_comes_on_top_is_refused_until_one_is_done(pools):
    limited = provider("a", max_connections=1)
    with pools.lease(limited):
        with pytest.raises(PoolBusy), pools.lease(limited):
            pass
        with pools.lease(provider("b", max_connections=1)):
            pass
    with pools.lease(limited):
        pass


async def test_a_request_that_fails_gives_its_place_back(pools):
    limited = provider("a", max_connections=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), pools.lease(limited):
            raise ZeroDivisionError


async def test_closing_closes_all():
    pools = Pools()
    with pools.lease(provider("a")) as one, pools.lease(provider("b")) as other:
        pass

    await pools.close()

    assert one.closed
    assert other.closed


async def test_a_request_learns_whether_its_connection_served_another_before(pools):
    async def serve(reader, writer):
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(b"{}"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

    async def kept(*, fresh=False):
        over = Connection()
        with pools.lease(provider("a"), fresh=fresh) as session:
            with noting(over):
                got = await session.get(url)
            await got.read()
        return over.kept

    async with server:
        said = [await kept(), await kept(), await kept(fresh=True), await kept(fresh=True), await kept()]
        with pools.lease(provider("a")) as session:  # one of whom nobody wants to know
            await (await session.get(url)).read()
        await pools.close()

    assert said == [False, True, False, False, True]

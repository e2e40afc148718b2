import asyncio
import errno
import socket

import pytest

from outpost.errors import Unavailable
from outpost.proxy import listener
from outpost.proxy.listener import Listener, bind
from tests.fakes.outpost import make_key
from tests.outpost.proxy.setup import CHAT, chat, error_of, policy


@pytest.mark.parametrize(
    ("host", "reached_by"),
    [("::", ("127.0.0.1", "::1")), ("0.0.0.0", ("127.0.0.1",)), ("127.0.0.1", ("127.0.0.1",)), ("::1", ("::1",))],
)
def test_a_host_is_reached_by_its_addresses_and_no_others(host, reached_by):
    (opened,) = bind(host, 0)
    port = opened.getsockname()[1]
    with opened:
        for address in ("127.0.0.1", "::1"):
            if address in reached_by:
                socket.create_connection((address, port)).close()
            else:
                with pytest.raises(OSError, match=r"refused"):
                    socket.create_connection((address, port))


def test_a_name_is_all_its_addresses():
    opened = bind("localhost", 0)
    assert {one.getsockname()[0] for one in opened} <= {"127.0.0.1", "::1"}
    for one in opened:
        one.close()


def test_without_ipv6_every_interface_is_every_ipv4_interface(monkeypatch):
    real = socket.create_server

    def without_ipv6(address, **how):
        if how.get("family") == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6")
        return real(address, **how)

    monkeypatch.setattr(listener.socket, "create_server", without_ipv6)
    (opened,) = bind("::", 0)
    with opened:
        assert opened.family == socket.AF_INET


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_a_port_that_is_taken_is_said_and_nothing_stays_open(host):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match=f"cannot listen on {host} port {port}: Address already in use"):
            bind(host, port)


async def test_accepting_anew_loses_nobody():
    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            transport.write(b"x")

    opened = Listener(Echo, bind("127.0.0.1", 0), handshake_timeout_s=1)
    await opened.accept(None)
    connections = []
    for _ in range(20):
        connections.append(await asyncio.open_connection(*opened.addresses[0]))
        await opened.accept(None)
    for reader, _ in connections:
        assert await reader.readexactly(1) == b"x"
    opened.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*opened.addresses[0])
    for _, writer in connections:
        writer.transport.abort()


async def test_a_key_for_ipv4_networks_is_good_on_a_socket_for_both(start, client_of):
    allowed = make_key(allowed_networks=["127.0.0.0/8"])
    refused = make_key(id="key-2", allowed_networks=["10.0.0.0/8", "::1/128"])
    async with start(policy("BLOCK"), host="::", keys=[allowed, refused]) as running:
        port = running.port.addresses[0][1]
        for key, host, status in [
            (allowed, "127.0.0.1", 200),
            (allowed, "[::1]", 403),
            (refused, "127.0.0.1", 403),
            (refused, "[::1]", 200),
        ]:
            async with client_of(running, key[0]) as client:
                response = await client.post(f"http://{host}:{port}{CHAT}", json=chat())
                assert response.status_code == status, (host, response.text)
                if status != 200:
                    error_of(response, 403, "address_not_allowed")

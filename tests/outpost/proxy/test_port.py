import asyncio
import socket

import pytest

from outpost.config import Config
from outpost.errors import ConfigError, Unavailable
from outpost.proxy.client_tls import TlsFiles
from outpost.proxy.drain import Drain
from outpost.proxy.listener import bind
from outpost.proxy.port import ProxyPort, tls_files
from tests.outpost.proxy.setup import port_of


def test_tls_is_what_the_settings_name(tmp_path):
    chain, key, clients = (tmp_path / name for name in ("chain", "key", "clients"))
    assert tls_files(Config()) is None
    assert tls_files(Config(tls_certificate_file=chain)) == TlsFiles(chain)
    whole = Config(tls_certificate_file=chain, tls_key_file=key, tls_client_ca_file=clients)
    assert tls_files(whole) == TlsFiles(chain, key, clients)


async def test_bad_tls_files_and_taken_ports_stop_the_start_and_leave_nothing_open(outpost, tmp_path):
    connections = outpost.port._connections
    with pytest.raises(ConfigError, match="tls_certificate_file"):
        await ProxyPort(connections, TlsFiles(tmp_path / "none"), handshake_timeout_s=1).open("127.0.0.1", 0)
    again = ProxyPort(connections, None, handshake_timeout_s=1)
    with pytest.raises(Unavailable, match="Address already in use"):
        await again.open("127.0.0.1", port_of(outpost))
    assert again.addresses == []


async def test_a_port_that_is_drained_is_free(start):
    async with start() as running:
        port = port_of(running)
        await running.port.drain(Drain())
        await running.port.drain(Drain())
        socket.create_server(("127.0.0.1", port)).close()


async def ask(reader, writer):
    """One probe; what it is answered with."""
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: outpost\r\n\r\n")
    return (await reader.readuntil(b"ok\n")).decode().lower()


async def test_clients_are_told_to_come_back_on_new_connections_and_served_meanwhile(start):
    async with start() as running, asyncio.timeout(10):
        port = port_of(running)
        early = await asyncio.open_connection("127.0.0.1", port)
        assert "connection: close" not in await ask(*early)
        announcing = asyncio.ensure_future(running.port.announce(60))
        await asyncio.sleep(0)
        late = await asyncio.open_connection("127.0.0.1", port)
        assert "connection: close" in await ask(*late)
        assert await late[0].read() == b""
        assert not announcing.done(), "who was there before has not been told yet"
        assert "connection: close" in await ask(*early)
        await announcing
        fresh = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.05)
        leaving = asyncio.ensure_future(running.port.leave(60, Drain(grace_s=0)))
        await asyncio.sleep(0.05)
        assert "connection: close" in await ask(*fresh), "who has only just come may still ask"
        assert await leaving == 0
        for _, writer in (early, late, fresh):
            writer.close()


async def test_an_announcement_ends_by_itself(start):
    async with start() as running, asyncio.timeout(10):
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
        await asyncio.sleep(0.05)
        await running.port.announce(0.05)
        await running.port.announce(0)
        writer.close()


async def test_sockets_that_listen_already_are_served_and_then_closed(start):
    async with start() as running, asyncio.timeout(10):
        (one,) = bind("127.0.0.1", 0)
        port = one.getsockname()[1]
        waiting = await asyncio.open_connection("127.0.0.1", port)
        other = ProxyPort(running.port._connections, None, handshake_timeout_s=1)
        await other.open_on_sockets([one])
        assert "200 ok" in await ask(*waiting)
        waiting[1].close()
        await other.close()
        socket.create_server(("127.0.0.1", port)).close()

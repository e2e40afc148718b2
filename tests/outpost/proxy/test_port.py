import socket

import pytest

from outpost.config import Config
from outpost.errors import ConfigError, Unavailable
from outpost.proxy.client_tls import TlsFiles
from outpost.proxy.drain import Drain
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

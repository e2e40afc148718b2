import asyncio
import socket

import pytest

from outpost import doors
from outpost.config import Config
from outpost.doors import Doors
from outpost.errors import ConfigError, Unavailable
from outpost.proxy.listener import bind


@pytest.fixture
def config(tmp_path):
    return Config(data_dir=tmp_path, listen_host="127.0.0.1", listen_port=0, admin_port=0)


def ports(door):
    return [one.getsockname()[1] for one in door.sockets]


async def test_what_a_supervisor_opened_is_used_whatever_the_settings_say(config):
    (proxy,), (admin,) = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    config = config.model_copy(update={"listen_host": "256.256.256.256", "listen_port": 1})
    opened = await Doors.open(config, [("unknown", proxy), ("admin", admin)])
    assert ([*opened.proxy.sockets], [*opened.admin.sockets]) == ([proxy], [admin])
    twins = opened.twins()
    assert [(name, one.getsockname()) for name, one in twins] == [
        ("proxy", proxy.getsockname()),
        ("admin", admin.getsockname()),
    ]
    for _, one in twins:
        one.close()
    opened.close()


async def test_what_an_outpost_opened_serves_the_next_one_if_it_is_where_that_wants_it(config):
    first = await Doors.open(config)
    (port,) = ports(first.proxy)
    inherited = first.twins()
    first.close()
    socket.create_connection(("127.0.0.1", port)).close()  # it waits; nobody refuses it
    same = config.model_copy(update={"listen_port": port})
    second = await Doors.open(same, inherited)
    assert ports(second.proxy) == [port]
    assert second.proxy.sockets[0] is inherited[0][1]
    inherited = second.twins()
    second.close()
    elsewhere = config.model_copy(update={"listen_host": "127.0.0.2", "listen_port": port})
    third = await Doors.open(elsewhere, inherited)
    assert third.proxy.sockets[0].getsockname() == ("127.0.0.2", port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    third.close()


async def test_every_interface_is_known_again(config):
    config = config.model_copy(update={"listen_host": "::"})
    first = await Doors.open(config)
    inherited = first.twins()
    first.close()
    second = await Doors.open(config, inherited)
    assert second.proxy.sockets[0] is inherited[0][1]
    second.close()


async def test_a_socket_for_no_port_of_ours_is_an_error(config):
    (strange,) = bind("127.0.0.1", 0)
    with strange, pytest.raises(ConfigError, match=r"'outpost\.socket' was handed over for no port of ours"):
        await Doors.open(config, [("outpost.socket", strange)])


async def test_an_address_that_is_not_ours_is_one_clear_error_and_leaves_nothing_open(config):
    with pytest.raises(Unavailable):
        await Doors.open(config.model_copy(update={"listen_host": "192.0.2.1"}))


async def test_a_port_that_dying_workers_hold_is_waited_for(config, monkeypatch):
    monkeypatch.setattr(doors, "BIND_PATIENCE_S", 0.3)
    holding = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = holding.sockets[0].getsockname()[1]
    config = config.model_copy(update={"listen_port": port, "workers": 2})
    with pytest.raises(Unavailable):
        await Doors.open(config)
    opening = asyncio.ensure_future(Doors.open(config))
    await asyncio.sleep(0.05)
    holding.close()
    opened = await opening
    assert ports(opened.proxy) == [port]
    opened.close()

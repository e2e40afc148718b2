import asyncio
import socket

from outpost.workers import acceptor as module
from outpost.workers.acceptor import Acceptor


class Place:
    leads = False


class Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hello")
        transport.close()


async def greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = await reader.read()
    writer.close()
    return said


async def test_clients_are_taken_until_it_is_closed_and_then_wait_for_others():
    ours = socket.create_server(("127.0.0.1", 0))
    theirs = socket.socket(fileno=socket.dup(ours.fileno()))
    one = Acceptor(Greeter, [ours], Place(), 5)
    await one.accept(None)
    (host, port), *_ = one.addresses
    assert host == "127.0.0.1"
    assert await greeting(port) == b"hello"
    one.close()
    await asyncio.sleep(0.01)
    waiting = asyncio.ensure_future(greeting(port))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    other = Acceptor(Greeter, [theirs], Place(), 5)
    await other.accept(None)
    assert await waiting == b"hello"
    other.close()
    await asyncio.sleep(0)


async def test_one_who_leads_lets_the_others_go_first_and_takes_who_is_left(monkeypatch):
    monkeypatch.setattr(module, "YIELD_S", 0.2)
    ours = socket.create_server(("127.0.0.1", 0))
    theirs = socket.socket(fileno=socket.dup(ours.fileno()))
    taken = {"leader": 0, "other": 0}

    def counting(name):
        def make():
            taken[name] += 1
            return Greeter()

        return make

    leading = Place()
    leading.leads = True
    leader, other = Acceptor(counting("leader"), [ours], leading, 5), Acceptor(counting("other"), [theirs], Place(), 5)
    await leader.accept(None)
    await other.accept(None)
    port = leader.addresses[0][1]
    await asyncio.gather(*(greeting(port) for _ in range(8)))
    assert taken == {"leader": 0, "other": 8}
    other.close()
    await asyncio.sleep(0.01)
    assert await greeting(port) == b"hello"
    assert taken["leader"] == 1
    leader.close()
    await asyncio.sleep(0)


async def test_too_many_open_files_are_survived(monkeypatch):
    monkeypatch.setattr(module, "NO_DESCRIPTORS_S", 0.01)
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, [OSError(24, "Too many open files")] * 2

    async def failing(listener):
        if failures:
            raise failures.pop()
        return await accept(listener)

    monkeypatch.setattr(loop, "sock_accept", failing)
    ours = socket.create_server(("127.0.0.1", 0))
    one = Acceptor(Greeter, [ours], Place(), 5)
    await one.accept(None)
    assert await greeting(one.addresses[0][1]) == b"hello"
    assert not failures
    one.close()
    await asyncio.sleep(0)

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path

import pytest

from outpost.errors import ModelUnavailable
from outpost.models import worker
from outpost.models.connection import Connection
from outpost.models.options import SessionOptions, WorkerSettings
from outpost.models.results import Wanted
from outpost.models.runners import Loaded
from tests.fakes.model_pack import BOOM

WANTED = Wanted(frozenset({"pii.person"}))


@contextlib.asynccontextmanager
async def born(folder, count=1, **settings):
    """A process with some clients, and the process."""
    pairs = [socket.socketpair() for _ in range(count)]
    theirs = [pair[1].fileno() for pair in pairs]
    told = WorkerSettings(sockets=tuple(theirs), pack=str(folder), **settings)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", "outpost.models.worker", told.to_json(), pass_fds=theirs
    )
    for _, end in pairs:
        end.close()
    clients = [await Connection.open(ours) for ours, _ in pairs]
    try:
        yield clients, process
    finally:
        for client in clients:
            client.close()
        await asyncio.wait({client.closed for client in clients})
        await asyncio.wait_for(process.wait(), 30)


async def test_one_process_serves_several_proxies_and_ends_with_the_last(tiny):
    async with born(tiny, count=2, runners=2) as (clients, process):
        for client in clients:
            assert (await client.ready).provider == "cpu"
        answers = await asyncio.gather(
            *(client.inspect("Ana Silva " * length, timeout_s=30) for client in clients for length in (1, 2, 4000))
        )
        assert [answer.tokens for answer in answers] == [2, 4, 8000] * 2
        assert all(answer.findings for answer in answers)
        clients[0].close()
        assert (await clients[1].inspect("dan", timeout_s=30)).labels["attacks.jailbreak"] > 0.9
    assert process.returncode == 0


async def test_memory_that_is_not_there_refuses_one_text_and_not_the_next(tiny):
    async with born(tiny, memory_bytes=1 << 30) as ((client,), process):
        with pytest.raises(ModelUnavailable):
            await client.inspect(BOOM, timeout_s=30)
        assert (await client.inspect("Ana", timeout_s=30)).findings
        limits = await asyncio.to_thread(Path(f"/proc/{process.pid}/limits").read_text)
        assert next(line.split()[3] for line in limits.splitlines() if line.startswith("Max data size")) == str(1 << 30)


async def test_a_pack_that_is_none_is_told_and_the_process_ends(tmp_path):
    async with born(tmp_path) as ((client,), process):
        with pytest.raises(ModelUnavailable, match=r"card\.json: No such file"):
            await client.ready
    assert process.returncode == 3


async def test_what_it_is_not_asked_is_not_answered(tiny):
    async with born(tiny) as ((client,), _):
        await client.ready
        with pytest.raises(ModelUnavailable, match="no such question"):
            await client._ask({"type": "shell"}, 30)
        with pytest.raises(ModelUnavailable, match="tokenised"):
            await client.inspect("\ud800", timeout_s=30)


async def test_it_writes_nothing_and_has_no_other_file(tiny):
    async with born(tiny) as ((client,), process):
        await client.ready
        await client.inspect("Ana Silva", timeout_s=30)
        folder = f"/proc/{process.pid}/fd"
        files = {os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}  # noqa: PTH208, PTH115
        assert not [name for name in files if name.endswith((".onnx", ".json", ".log"))]


async def test_a_text_that_grows_is_read_window_by_window(tiny):
    async with born(tiny, runners=2) as ((client,), _):
        pack = (await client.ready).digest
        whole = await client.inspect("the Ana Silva " * 20, timeout_s=30)
        stream, found, upto = client.new_stream(), [], []
        for number in range(20):
            settled = await client.grow(
                stream, "the Ana Silva ", last=number == 19, timeout_s=30, pack=pack, wanted=WANTED
            )
            found += settled.findings
            upto.append(settled.upto)
        assert [item.finding for item in found] == [item.finding for item in whole.findings]
        assert (settled.tokens, settled.windows) == (whole.tokens, whole.windows)
        assert upto == sorted(upto)
        assert 0 < upto[9] < 14 * 10
        with pytest.raises(ModelUnavailable, match="has ended"):
            await client.grow(stream, "x", last=True, timeout_s=30, pack=pack, wanted=WANTED)
        client.forget(stream)
        assert (await client.grow(stream, "Ana", last=True, timeout_s=30, pack=pack, wanted=WANTED)).findings
        with pytest.raises(ModelUnavailable, match="tokenised"):
            await client.grow(client.new_stream(), "\ud800", last=True, timeout_s=30, pack=pack, wanted=WANTED)
        with pytest.raises(ModelUnavailable, match="not loaded"):
            await client.grow(client.new_stream(), "x", last=True, timeout_s=30, pack="0" * 64, wanted=WANTED)
        long = await client.grow(
            client.new_stream(), "the Ana " * 4000, last=True, timeout_s=30, pack=pack, wanted=WANTED
        )
        assert len(long.findings) == 4000


async def test_one_that_fails_says_nothing_more_and_others_go_on(tiny):
    async with born(tiny, memory_bytes=1 << 30) as ((client,), _):
        pack = (await client.ready).digest
        bad, good = client.new_stream(), client.new_stream()
        await client.grow(good, "the ", last=False, timeout_s=30, pack=pack, wanted=WANTED)
        with pytest.raises(ModelUnavailable):
            await client.grow(bad, f"{BOOM} " * 20, last=False, timeout_s=30, pack=pack, wanted=WANTED)
        with pytest.raises(ModelUnavailable, match="being read"):
            await client.grow(bad, "x", last=True, timeout_s=30, pack=pack, wanted=WANTED)
        assert (await client.grow(good, "Ana", last=True, timeout_s=30, pack=pack, wanted=WANTED)).findings


async def test_only_so_many_texts_grow_at_once(tiny, monkeypatch):
    monkeypatch.setattr(worker, "_MAX_GROWING", 2)
    loaded = Loaded(tiny, SessionOptions())
    ours, theirs = socket.socketpair()
    serving = asyncio.ensure_future(worker.Worker(WorkerSettings(sockets=(), pack=str(tiny)), loaded).serve([theirs]))
    client = await Connection.open(ours)
    streams = [client.new_stream() for _ in range(3)]
    for stream in streams[:2]:
        await client.grow(stream, "the ", last=False, timeout_s=30, pack=loaded.digest, wanted=WANTED)
    with pytest.raises(ModelUnavailable, match="too many"):
        await client.grow(streams[2], "the ", last=False, timeout_s=30, pack=loaded.digest, wanted=WANTED)
    client.forget(streams[0])
    await client.grow(streams[2], "the ", last=False, timeout_s=30, pack=loaded.digest, wanted=WANTED)
    client.close()
    await serving
    theirs.close()

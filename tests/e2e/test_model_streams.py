"""Streamed answers through the pack that ships: they become what the whole text would have, and earlier."""

import asyncio
import contextlib
import json
import os
import random
import signal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from outpost.dlp.engine import default_engine
from outpost.models.options import Choice, SessionOptions, WorkerSettings
from outpost.models.pack import pack_folder
from outpost.models.process import Pace
from outpost.models.runners import Loaded
from outpost.models.service import ModelOptions, ModelService
from outpost.models.tiers import judge_text
from outpost.proxy.spans import Span, label, replace_spans
from tests.fakes.model_pack import SLOW, write_pack
from tests.fakes.outpost import running_outpost
from tests.outpost.proxy.setup import policy, routing
from tests.outpost.proxy.test_streaming_surfaces import KIB, SURFACES, TOTAL, ask, framed, provider

DEFAULT = pack_folder(Path("default"))
KINDS = ("pii.person", "pii.address.full", "pii.location")
PLAIN = "The meeting about the garden was moved to the afternoon because the rain had not stopped, and nobody minded. "
NAMED = (
    "Please send the contract to Maria Gonzalez, 12 Baker Street, London NW1 6XE, and call Thomas Keller before noon. "
)
TEXT = "".join(NAMED if number % 4 == 1 else PLAIN for number in range(16))
KEYS = {"chat": "content", "arguments": "arguments", "completions": "text", "responses": "delta", "messages": "text"}
LAST = (b"[DONE]", b"output_item.done", b"message_stop")
PATIENCE_S = 60.0


@contextlib.asynccontextmanager
async def served(folder, *, timeout_s=20.0):
    """The models behind a real inference process."""
    pace = Pace(timeout_s=timeout_s, look_every_s=30.0, backoff_s=0.05)
    options = ModelOptions(Choice(folder), WorkerSettings((), "", runners=2), pace, cache_entries=100)
    service, stop = ModelService(options, CollectorRegistry()), asyncio.Event()
    running = asyncio.ensure_future(service.run(stop))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while service.problem is not None:  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.01)
        yield service
    finally:
        stop.set()
        await running


def outpost(models, url, action="REDACT", kinds=KINDS):
    chosen = policy(action, kinds, directions=["output"])
    return running_outpost(policy=chosen, routing=routing(url), models=models, offered=models.kinds)


def pieces(text, seed):
    chance, at = random.Random(seed), 0
    while at < len(text):
        size = chance.randint(1, 9)
        yield text[at : at + size]
        at += size


def said(raw, key="content"):
    """What a client joins of the deltas of a stream."""
    whole = raw[: raw.rfind(b"\n\n") + 2].decode()
    return "".join(_found(json.loads(line[6:]), key) for line in whole.splitlines() if line.startswith("data: {"))


def _found(value, key):
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return "".join(one if name == key and isinstance(one, str) else _found(one, key) for name, one in inner)


def whole(loaded, text):
    """What a text becomes that does not stream."""
    counting = lambda _text, findings: list(findings)  # noqa: E731 - one line of a test
    found = judge_text(loaded, counting, text, default_engine().scan(text)).findings
    return replace_spans(text, [Span(f.start, f.end, label(f)) for f in found if f.kind in KINDS])


async def test_what_streams_is_what_the_whole_would_be_and_begins_before_it_has_ended():
    loaded = Loaded(DEFAULT, SessionOptions(threads=1))
    async with served(DEFAULT) as models:
        for name, (path, body, _, piece, end) in SURFACES.items():
            text = json.dumps({"note": TEXT}) if name == "arguments" else TEXT
            expected = whole(loaded, text)
            assert "[REDACTED:pii.person]" in expected
            assert "Gonzalez" not in expected
            go_on = asyncio.Event()

            async def say(writer, text=text, piece=piece, end=end, go_on=go_on):
                for part in pieces(text[:-400], 1):
                    writer.write(framed(piece(part)))
                await go_on.wait()  # until the client has read something
                for event in (*map(piece, pieces(text[-400:], 2)), *end):
                    writer.write(framed(event))
                writer.write(b"" if end else b"data: [DONE]\n\n")
                await writer.drain()

            async with provider(say) as url, outpost(models, url) as running, asyncio.timeout(PATIENCE_S):
                reader, writer = await ask(running, path, body)
                got = b""
                while part := await reader.read(4 * KIB):
                    got += part
                    if len(said(got, KEYS[name])) > 200:
                        go_on.set()
                    if any(last in got for last in LAST):
                        break
                writer.close()
            assert go_on.is_set(), name
            assert said(got, KEYS[name]) == expected, name


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP], ids=["crashes", "hangs"])
async def test_a_model_that_goes_away_in_the_middle_lets_nothing_more_out(trouble):
    path, body, _, piece, _ = SURFACES["chat"]
    go_on = asyncio.Event()

    async def say(writer):
        for part in pieces(TEXT, 1):
            writer.write(framed(piece(part)))
        await go_on.wait()
        for part in pieces(f"{TEXT * 3}the very end", 2):
            writer.write(framed(piece(part)))
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()

    async with (
        served(DEFAULT, timeout_s=0.5) as models,
        provider(say) as url,
        outpost(models, url) as running,
        asyncio.timeout(PATIENCE_S),
    ):
        reader, writer = await ask(running, path, body)
        got = b""
        while b"meeting" not in got:
            got += await reader.read(4 * KIB)
        os.kill(models._process.pid, trouble)
        go_on.set()
        while part := await reader.read(4 * KIB):
            got += part
            if got.endswith(b"0\r\n\r\n"):
                break
        writer.close()
        assert b"inspection_unavailable" in got
        assert b"[DONE]" not in got
        assert "Gonzalez" not in said(got)
        assert "the very end" not in said(got)
        assert running.events()[-1].code == "inspection_unavailable"


async def test_a_text_that_a_model_cannot_read_in_time_ends_the_stream(tmp_path):
    path, body, _, piece, _ = SURFACES["chat"]

    async def say(writer):
        for part in ["the note " * 60, f"{SLOW} " * 20, "the very end " * 40]:
            writer.write(framed(piece(part)))
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()

    async with (
        served(write_pack(tmp_path / "tiny"), timeout_s=0.5) as models,
        provider(say) as url,
        outpost(models, url, kinds=("pii.person",)) as running,
        asyncio.timeout(PATIENCE_S),
    ):
        reader, writer = await ask(running, path, body)
        got = b""
        while b"inspection_unavailable" not in got:
            part = await reader.read(4 * KIB)
            assert part
            got += part
        writer.close()
        assert "the very end" not in said(got)


async def test_while_a_model_thinks_the_provider_is_not_read():
    path, body, _, piece, _ = SURFACES["chat"]
    told = 0

    async def say(writer):
        nonlocal told
        event = framed(piece("words and more words "), 64 * KIB)
        while told < TOTAL:
            writer.write(event)
            await writer.drain()
            told += len(event)

    async with served(DEFAULT) as models, provider(say) as url, outpost(models, url) as running:
        pid = models._process.pid
        os.kill(pid, signal.SIGSTOP)
        _, writer = await ask(running, path, body)
        before = -1
        async with asyncio.timeout(15):  # less than the models may take
            while told != before or not told:
                before = told
                await asyncio.sleep(0.5)
        assert told < TOTAL // 2
        writer.transport.abort()
        os.kill(pid, signal.SIGCONT)

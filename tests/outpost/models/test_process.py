"""What breaks refuses, shows, and recovers; each with other texts under way."""

import asyncio
import contextlib
import os
import shutil
import signal

import pytest

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.options import Choice, WorkerSettings
from outpost.models.pack import open_pack
from outpost.models.process import ModelProcess, Pace, _environment
from tests.fakes.model_pack import BOOM, SLOW, heads, write_card, write_pack

PATIENCE_S = 60.0
QUICK = Pace(timeout_s=20.0, look_every_s=0.1, backoff_s=0.05, most_backoff_s=0.2)
SETTINGS = WorkerSettings(sockets=(), pack="", runners=2)


@contextlib.asynccontextmanager
async def running(folder, pace=QUICK, settings=SETTINGS):
    process = ModelProcess(folder if folder is None else Choice(folder), settings, pace)
    stop = asyncio.Event()
    task = asyncio.ensure_future(process.run(stop))
    try:
        yield process
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE_S)
        assert process.pid is None


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)


async def is_well(process):
    await until(lambda: process.problem is None)
    assert [item.finding.kind for item in (await process.inspect("Ana Silva")).findings] == ["pii.person"]


async def refused(process, text="Ana"):
    with pytest.raises(ModelUnavailable) as told:
        await process.inspect(text)
    return str(told.value)


@contextlib.asynccontextmanager
async def load(process):
    """Texts one after another in several lanes; yields what went wrong with any."""
    failures, answered, ending = [], [], asyncio.Event()

    async def lane(number):
        while not ending.is_set():
            try:
                answered.append(await process.inspect(f"Ana {number} " * 20))
            except ModelUnavailable as err:
                failures.append(str(err))
                await asyncio.sleep(0.01)

    lanes = [asyncio.ensure_future(lane(number)) for number in range(5)]
    try:
        yield failures
    finally:
        before = len(answered)
        await until(lambda: len(answered) > before + 5)
        ending.set()
        await asyncio.gather(*lanes)


async def test_a_missing_pack_refuses_until_it_is_there(tmp_path):
    async with running(tmp_path / "pack") as process:
        assert await refused(process) == "the models are starting"
        await until(lambda: "No such file" in (process.problem or ""))
        assert "No such file" in await refused(process)
        assert process.backing is None
        write_pack(tmp_path / "made")
        (tmp_path / "made").rename(tmp_path / "pack")
        await is_well(process)
        assert process.backing.pack.card.name == "tiny"


async def test_an_altered_pack_refuses_until_it_is_whole(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "pack")
    (folder / "model.onnx").write_bytes(b"altered")
    async with running(folder) as process:
        await until(lambda: "not what the card says" in (process.problem or ""))
        await refused(process)
        shutil.copy(tiny / "model.onnx", folder / "model.onnx")
        await is_well(process)


async def test_a_crash_refuses_what_was_under_way_and_starts_again(tiny):
    async with running(tiny) as process:
        await is_well(process)
        async with load(process) as failures:
            slow = asyncio.ensure_future(process.inspect(SLOW))
            await asyncio.sleep(0.1)
            os.kill(process.pid, signal.SIGKILL)
            with pytest.raises(ModelUnavailable, match="has ended"):
                await slow
            await until(lambda: process.problem is not None)
            await until(lambda: process.problem is None)
        assert failures
        assert process.starts == 2


async def test_a_slow_text_is_given_up_and_others_go_on(tiny):
    async with running(tiny, Pace(timeout_s=1.0, look_every_s=0.1)) as process:
        await is_well(process)
        async with load(process):
            assert "failed" in await refused(process, SLOW)
        await is_well(process)
        assert process.starts == 1


async def test_a_process_that_hangs_is_killed_and_starts_again(tiny):
    async with running(tiny, Pace(timeout_s=0.5, look_every_s=9, backoff_s=0.05)) as process:
        await is_well(process)
        os.kill(process.pid, signal.SIGSTOP)
        assert "does not answer" in await refused(process)
        assert "starting again" in await refused(process)
        await is_well(process)
        assert process.starts == 2


async def test_memory_that_is_not_there_refuses_the_text_and_the_next_is_answered(tiny):
    async with running(tiny, settings=WorkerSettings((), "", memory_bytes=1 << 30)) as process:
        await is_well(process)
        async with load(process):
            await refused(process, BOOM)
        await is_well(process)


async def test_a_process_without_memory_never_passes_anything(tiny):
    async with running(tiny, settings=WorkerSettings((), "", memory_bytes=48 << 20)) as process:
        await until(lambda: process.starts >= 2)
        assert await refused(process)
        assert process.backing is None


async def test_a_model_that_fails_for_every_text_is_a_problem(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "pack")
    wrong = [{**head, "width": 3} if head["name"] == "sentence" else head for head in heads()]
    write_card(folder, heads=wrong)
    async with running(folder) as process:
        await until(lambda: "form" in (process.problem or ""))
        assert "form" in await refused(process)


async def test_a_pack_is_replaced_without_a_refused_text(tiny, tmp_path):
    one, two = write_pack(tmp_path / "one"), write_pack(tmp_path / "two", version="2.0")
    link = tmp_path / "current"
    link.symlink_to(one)
    async with running(link) as process:
        await is_well(process)
        async with load(process) as failures:
            before = process.backing
            (tmp_path / "next").symlink_to(two)
            (tmp_path / "next").rename(link)
            await until(lambda: process.backing is not before)
        assert failures == []
        assert process.backing.pack.card.version == "2.0"
        assert process.starts == 1


async def test_a_pack_that_does_not_load_leaves_the_one_before(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "pack")
    async with running(folder) as process:
        await is_well(process)
        async with load(process) as failures:
            write_card(folder, version="2.0", files={"model.onnx": "0" * 64, "tokenizer.json": "0" * 64})
            await until(lambda: process.warning is not None)
            assert "not what the card says" in process.warning
        assert failures == []
        assert process.backing.pack.card.version == "1.0"
        shutil.copy(tiny / "card.json", folder / "card.json")
        await until(lambda: process.warning is None)
        (folder / "card.json").unlink()
        await until(lambda: "No such file" in (process.warning or ""))
        await is_well(process)


async def test_no_question_outlives_the_process(tiny):
    async with running(tiny) as process:
        await is_well(process)
        slow = asyncio.ensure_future(process.inspect(SLOW))
        await asyncio.sleep(0)
    with pytest.raises(ModelUnavailable):
        await slow
    assert "shutting down" in await refused(process)


def test_no_secret_of_the_environment_is_handed_on(monkeypatch):
    monkeypatch.setenv("OUTPOST_PROVIDER_KEYS", "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    environment = _environment()
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"
    assert "secret" not in environment.values()


SHORT = Pace(timeout_s=20.0, look_every_s=0.1, backoff_s=0.05, most_backoff_s=0.2, retire_s=0.3)


def digest_of(folder):
    return open_pack(folder).digest


def chosen(folder):
    return Choice(folder, digest_of(folder))


async def test_a_bundles_pack_takes_over_in_one_step_and_the_one_before_can_be_asked_for_a_while(tiny, tmp_path):
    two = write_pack(tmp_path / "two", version="2.0")
    async with running(tiny, SHORT) as process:
        await is_well(process)
        async with load(process) as failures:
            await process.prepare(chosen(two))
            assert process.backing.pack.card.version == "1.0"
            process.use(chosen(two))
            assert process.backing.pack.card.version == "2.0"
            assert (await process.inspect("Ana", pack=digest_of(tiny))).findings
            await until(lambda: process.loaded(digest_of(tiny)) is None)
        assert failures == []
        with pytest.raises(ModelUnavailable, match="not loaded"):
            await process.inspect("Ana", pack=digest_of(tiny))
        assert process.starts == 1


async def test_the_first_pack_starts_a_process_and_the_last_ends_it(tiny):
    async with running(None, SHORT) as process:
        await asyncio.sleep(0.05)
        assert (process.pid, process.starts) == (None, 0)
        await process.prepare(chosen(tiny))
        process.use(chosen(tiny))
        await is_well(process)
        process.use(None)
        assert (await process.inspect("Ana", pack=digest_of(tiny))).findings
        await until(lambda: process.pid is None)
        await process.prepare(chosen(tiny))
        process.use(chosen(tiny))
        await is_well(process)
        assert process.starts == 2


async def test_a_pack_that_comes_back_before_it_was_freed_stays(tiny, tmp_path):
    two = write_pack(tmp_path / "two", version="2.0")
    async with running(tiny, SHORT) as process:
        await is_well(process)
        for folder in (two, tiny, two):
            await process.prepare(chosen(folder))
            process.use(chosen(folder))
        await asyncio.sleep(2 * SHORT.retire_s)
        assert process.backing.pack.card.version == "2.0"
        await is_well(process)
        assert process.loaded(digest_of(tiny)) is None
        process.use(None)
        process.use(chosen(two))  # the end that was planned is off
        await asyncio.sleep(2 * SHORT.retire_s)
        await is_well(process)
        assert process.starts == 1


async def test_a_pack_that_does_not_run_is_told_before_it_is_used(tiny, tmp_path):
    wrong = write_pack(tmp_path / "wrong", opset=13)
    write_card(wrong, opset=17)
    async with running(None, SHORT) as process:
        with pytest.raises(ModelUnavailable, match="is of opset"):
            await process.prepare(chosen(wrong))
        await process.prepare(chosen(tiny))
        process.use(chosen(tiny))
        await is_well(process)
        with pytest.raises(ModelUnavailable, match="is of opset"):
            await process.prepare(chosen(wrong))
        with pytest.raises(PackInvalid, match="another one"):
            await process.prepare(Choice(wrong, "0" * 64))
        await is_well(process)


async def test_what_was_made_ready_and_never_used_is_freed(tiny, tmp_path):
    two, three = (write_pack(tmp_path / name, version=name) for name in ("2", "3"))
    async with running(tiny, SHORT) as process:
        await is_well(process)
        for folder in (two, three):
            await process.prepare(chosen(folder))
        process.use(chosen(three))
        assert process.loaded(digest_of(two)) is None
        assert process.loaded(digest_of(tiny)) is not None


async def test_a_pack_that_was_not_made_ready_refuses_until_it_is(tiny, tmp_path):
    two = write_pack(tmp_path / "two", version="2.0")
    async with running(tiny, SHORT) as process:
        await is_well(process)
        process.use(chosen(two))
        assert "starting" in await refused(process)
        await is_well(process)
        assert process.backing.pack.card.version == "2.0"


async def test_a_bundles_pack_that_is_altered_on_disk_never_answers(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "pack")
    choice = chosen(folder)
    async with running(None, SHORT) as process:
        await process.prepare(choice)
        process.use(choice)
        await is_well(process)
        write_card(folder, version="9.9")
        await until(lambda: process.warning is not None)
        await is_well(process)  # what was loaded is what was signed
        os.kill(process.pid, signal.SIGKILL)
        await until(lambda: "another one" in (process.problem or ""))
        await refused(process)
        shutil.copy(tiny / "card.json", folder / "card.json")
        await is_well(process)

import asyncio

import pytest

from outpost import first_start
from outpost.config import Config
from outpost.errors import ConfigError, Rejected, Unavailable
from outpost.first_start import ensure_enrolled
from outpost.protocol.codes import ErrorCode
from tests.fakes.clock import FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.enrolled import enrol


async def test_an_enrolled_outpost_needs_no_token(tmp_path):
    clock = FakeClock()
    enrol(FakeControlPlane(clock), tmp_path, clock)
    await ensure_enrolled(Config(data_dir=tmp_path), clock=clock)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, "no enrolment token"),
        ({"control_plane_url": "https://cp.test:8100"}, "no enrolment token"),
        ({"enrolment_token": "oet1.x"}, "no control_plane_url"),
    ],
)
async def test_what_is_missing_to_enrol_is_named(tmp_path, fields, missing):
    with pytest.raises(ConfigError) as caught:
        await ensure_enrolled(Config(data_dir=tmp_path / "new", **fields))
    assert missing in str(caught.value)
    assert "outpost register" in str(caught.value)
    assert "OUTPOST_ENROLMENT_TOKEN" in str(caught.value)
    assert not (tmp_path / "new").exists()


async def test_a_token_file_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(first_start, "TOKEN_FILE_POLL_S", 0.01)
    path = tmp_path / "token"
    config = Config(data_dir=tmp_path / "d", control_plane_url="https://127.0.0.1:1", enrolment_token_file=path)
    waiting = asyncio.create_task(ensure_enrolled(config))
    await asyncio.sleep(0.05)
    path.write_text("  \n")
    await asyncio.sleep(0.05)
    assert not waiting.done()
    path.write_text("not a token\n")
    with pytest.raises(Rejected) as caught:
        await waiting
    assert caught.value.code is ErrorCode.TOKEN_INVALID
    assert "not a token" not in str(caught.value)


async def test_a_token_file_that_never_comes_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(first_start, "TOKEN_FILE_WAIT_S", 0.05)
    config = Config(
        data_dir=tmp_path / "d", control_plane_url="https://cp.test", enrolment_token_file=tmp_path / "never"
    )
    with pytest.raises(ConfigError, match="no enrolment token"):
        await ensure_enrolled(config)


async def test_a_data_directory_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    config = Config(data_dir=tmp_path / "file", control_plane_url="https://cp.test", enrolment_token="oet1.x")
    with pytest.raises(Unavailable, match="cannot make the data directory"):
        await ensure_enrolled(config)

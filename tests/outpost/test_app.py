import asyncio
import base64
import gc
import json
import os
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import structlog

from outpost import app
from outpost.app import open_outpost, serve
from outpost.audit.read import read_events
from outpost.cache.bundles import BundleStore, StateKey, StateStore
from outpost.cache.db import open_database
from outpost.config import Config
from outpost.dlp.dictionary import build_words
from outpost.errors import (
    BundleRejected,
    CacheCorrupt,
    ConfigError,
    IdentityInvalid,
    OutpostError,
    Rejected,
    Unavailable,
)
from outpost.protocol.codes import ErrorCode
from outpost.protocol.list_file import encode_list_key
from outpost.protocol.messages import BundleReport
from outpost.wishes import Wishes
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.disk import file_size_limit
from tests.fakes.enrolled import enrol, fill_cache, stored_bundle
from tests.fakes.model_pack import write_pack
from tests.outpost.dlp.org_lists import KEY


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def plane(clock) -> FakeControlPlane:
    return FakeControlPlane(clock)


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def config(data_dir) -> Config:
    return Config(data_dir=data_dir, listen_host="127.0.0.1", listen_port=0, admin_port=0, shutdown_grace_s=0)


@pytest.fixture
def identity(plane, data_dir, clock):
    return enrol(plane, data_dir, clock)


@pytest.fixture
def filled(plane, identity, data_dir):
    """A data directory with the default bundle and its secrets."""
    plane.publish()
    fill_cache(plane, identity, data_dir)
    return data_dir


@pytest.fixture
def opened(config, identity, clock):
    """Opens the outpost; closes whatever was opened."""
    outposts = []

    def open_it():
        outposts.append(open_outpost(config, clock=clock))
        return outposts[-1]

    yield open_it
    for outpost in outposts:
        outpost.close()


def execute(data_dir, statement: str, *values) -> int:
    with closing(sqlite3.connect(data_dir / "outpost.db")) as connection, connection:
        return connection.execute(statement, values).rowcount


def refusal(outpost, at=NOON) -> ErrorCode:
    with pytest.raises(Rejected) as caught:
        outpost.admission.admit(at)
    return caught.value.code


# Opening


def test_without_an_identity_nothing_opens(config, clock):
    with pytest.raises(IdentityInvalid):
        open_outpost(config, clock=clock)


def test_a_first_start_refuses_everything(opened):
    assert refusal(opened()) is ErrorCode.NO_POLICY


def test_the_cached_bundle_and_its_keys_are_in_force_without_any_network(opened, plane, identity, data_dir):
    plane.set_secret("provider/openai", "sk-provider")
    version = plane.publish()
    key = plane.create_key(group="finance")
    fill_cache(plane, identity, data_dir)
    plane.down = True
    outpost = opened()
    enforcement = outpost.admission.admit(NOON)
    assert enforcement.bundle.snapshot_version == version + 1
    assert enforcement.keys.authenticate(key, at=NOON, address=None).group == "finance"
    assert outpost.in_force.provider_key("openai") == "sk-provider"
    assert outpost.in_force.provider_key("other") is None
    assert outpost.in_force.applied.snapshot_version == version + 1


TAMPERED = {
    "root added": ("INSERT INTO bundle_root (position, content) VALUES (0, x'7b7d')", ErrorCode.NO_POLICY),
    "timestamp changed": ("UPDATE bundle_role SET content = x'7b7d' WHERE role = 'timestamp'", ErrorCode.NO_POLICY),
    "snapshot truncated": (
        "UPDATE bundle_role SET content = substr(content, 1, 50) WHERE role = 'snapshot'",
        ErrorCode.NO_POLICY,
    ),
    "targets of another role": (
        (
            "UPDATE bundle_role SET content = (SELECT content FROM bundle_role WHERE role = 'snapshot') "
            "WHERE role = 'targets'"
        ),
        ErrorCode.NO_POLICY,
    ),
    "a role is gone": ("DELETE FROM bundle_role WHERE role = 'targets'", ErrorCode.NO_POLICY),
    "policy changed": (
        (
            "UPDATE bundle_document "
            "SET content = CAST(replace(CAST(content AS TEXT), 'BLOCK', 'ALLOW') || ' ' AS BLOB) "
            "WHERE name = 'policy.json'"
        ),
        ErrorCode.NO_POLICY,
    ),
    "keys emptied": ("UPDATE bundle_document SET content = x'' WHERE name = 'keys.json'", ErrorCode.NO_POLICY),
    "routing renamed": (
        "UPDATE bundle_document SET name = 'other.json' WHERE name = 'routing.json'",
        ErrorCode.NO_POLICY,
    ),
    "documents gone": ("DELETE FROM bundle_document", ErrorCode.NO_POLICY),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_bundle_is_not_in_force_and_says_so(opened, plane, identity, data_dir, how):
    plane.publish()
    fill_cache(plane, identity, data_dir)
    statement, code = TAMPERED[how]
    assert execute(data_dir, statement) >= 1
    outpost = opened()
    assert refusal(outpost) is code
    assert outpost.in_force.applied is None
    assert outpost.stores.state.get(StateKey.REFUSED_REASON).startswith("cached bundle: ")


def test_however_long_the_reason_it_fits_a_heartbeat(opened, plane, identity, data_dir):
    # A newer policy format in the cache of an older version: thousands of unknown fields.
    plane.publish()
    policy = json.dumps({f"unknown_{number}": 1 for number in range(5000)}).encode()
    plane.publish_unchecked({**stored_bundle(plane).documents, "policy.json": policy})
    fill_cache(plane, identity, data_dir)
    outpost = opened()
    reason = outpost.stores.state.get(StateKey.REFUSED_REASON)
    assert BundleReport(snapshot_version=0, refused_reason=reason).refused_reason == reason
    assert refusal(outpost) is ErrorCode.NO_POLICY


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sealed_secrets SET sealed = x'00'",
        "UPDATE sealed_secrets SET version = version + 1",
        "UPDATE sealed_secrets SET sealed = substr(sealed, 1, length(sealed) - 1)",
    ],
)
def test_tampered_secrets_leave_every_key_unknown(opened, plane, identity, data_dir, statement):
    plane.set_secret("provider/openai", "sk-provider")
    plane.publish()
    key = plane.create_key()
    fill_cache(plane, identity, data_dir)
    assert execute(data_dir, statement) == 1
    outpost = opened()
    enforcement = outpost.admission.admit(NOON)
    assert enforcement.keys.missing_peppers == {plane.pepper_id}
    assert outpost.in_force.provider_key("openai") is None
    with pytest.raises(Rejected) as caught:
        enforcement.keys.authenticate(key, at=NOON, address=None)
    assert caught.value.code is ErrorCode.INVALID_API_KEY


@pytest.mark.parametrize("value", ["", "{", "yesterday", '"yesterday"', "7", '"2026-06-01T12:00:00"'])
@pytest.mark.parametrize("key", [StateKey.CLOCK_FLOOR_AT, StateKey.REVOKED])
def test_a_floor_or_a_revocation_that_cannot_be_read_never_opens_more(config, clock, filled, key, value):
    data_dir = filled
    execute(data_dir, "INSERT INTO state (key, value) VALUES (?, ?)", key.value, value)
    try:
        outpost = open_outpost(config, clock=clock)
    except CacheCorrupt as err:
        assert "edited" in str(err)  # noqa: PT017 - the other outcome is asserted below
        return
    with closing(outpost):
        assert key is StateKey.REVOKED
        assert refusal(outpost) is ErrorCode.OUTPOST_REVOKED


def test_a_damaged_database_stops_the_start_and_leaves_nothing_open(config, clock, identity, data_dir):
    (data_dir / "outpost.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 4096)
    for _ in range(2):
        with pytest.raises(CacheCorrupt):
            open_outpost(config, clock=clock)
    (data_dir / "outpost.db").unlink()
    open_outpost(config, clock=clock).close()


def test_a_second_outpost_on_the_same_directory_is_refused_and_can_start_later(config, clock, identity):
    first = open_outpost(config, clock=clock)
    with pytest.raises(OutpostError):
        open_outpost(config, clock=clock)
    first.close()
    open_outpost(config, clock=clock).close()


# What survives a restart


def test_a_revocation_survives_a_restart(opened, plane, identity, data_dir):
    plane.publish()
    fill_cache(plane, identity, data_dir)
    with open_database(data_dir / "outpost.db") as database:
        StateStore(database).update({StateKey.REVOKED: True})
    outpost = opened()
    assert refusal(outpost) is ErrorCode.OUTPOST_REVOKED
    outpost.in_force.set_revoked(False)
    outpost.admission.admit(NOON)


def test_a_clock_turned_back_is_noticed_after_a_restart(opened, plane, identity, data_dir, clock):
    plane.publish()
    fill_cache(plane, identity, data_dir)
    later = NOON + timedelta(hours=3)
    with open_database(data_dir / "outpost.db") as database:
        StateStore(database).set_time(StateKey.CLOCK_FLOOR_AT, later)
    outpost = opened()
    assert later <= outpost.admission.clock_floor_at < later + timedelta(minutes=1)
    assert refusal(outpost, NOON) is ErrorCode.CLOCK_UNTRUSTED
    outpost.admission.admit(later + timedelta(minutes=1))


async def keep_floor_once(outpost) -> None:
    stop = asyncio.Event()
    keeper = asyncio.create_task(
        app.keep_clock_floor(outpost.clock_watch, outpost.admission, outpost.stores.state, stop)
    )
    await asyncio.sleep(0.1)
    stop.set()
    await keeper


async def test_a_clock_turned_back_between_runs_stays_noticed_however_often_it_is_started(config, clock, filled):
    later = NOON + timedelta(days=2)
    first = open_outpost(config, clock=clock)
    clock.at = later
    first.clock_watch.note_server_time(later)
    await keep_floor_once(first)
    first.close()
    clock.at = NOON
    for _ in range(3):
        again = open_outpost(config, clock=clock)
        assert refusal(again, NOON) is ErrorCode.CLOCK_UNTRUSTED
        await keep_floor_once(again)
        again.close()
    with open_database(config.data_dir / "outpost.db") as database:
        assert StateStore(database).get_time(StateKey.CLOCK_FLOOR_AT) >= later


async def test_the_clock_floor_rises_with_the_control_planes_time_and_never_sinks(opened, clock):
    outpost = opened()
    later = NOON + timedelta(hours=1)
    for at, floor in [(NOON, NOON), (later, later), (NOON, later)]:
        clock.at = at
        outpost.clock_watch.note_server_time(at)
        await keep_floor_once(outpost)
        stored = outpost.stores.state.get_time(StateKey.CLOCK_FLOOR_AT)
        assert floor <= stored < floor + timedelta(minutes=1)
        assert outpost.admission.clock_floor_at == stored


async def test_a_clock_that_was_years_ahead_leaves_no_trace_in_the_floor(opened, filled, clock):
    outpost = opened()
    outpost.clock_watch.note_server_time(NOON)
    clock.at = NOON + timedelta(days=4000)
    await keep_floor_once(outpost)
    assert refusal(outpost, clock.at) is ErrorCode.POLICY_EXPIRED
    clock.at = NOON + timedelta(minutes=1)
    await keep_floor_once(outpost)
    outpost.admission.admit(clock.at)
    assert outpost.stores.state.get_time(StateKey.CLOCK_FLOOR_AT) < NOON + timedelta(minutes=2)


def test_a_first_start_long_before_its_own_certificate_is_a_wrong_clock(config, filled, clock):
    clock.at = datetime(1970, 1, 1, tzinfo=UTC)
    with closing(open_outpost(config, clock=clock)) as outpost:
        assert refusal(outpost, clock.at) is ErrorCode.CLOCK_UNTRUSTED


async def test_a_full_disk_does_not_end_the_keeper_of_the_floor(opened, clock):
    outpost = opened()
    outpost.admission.clock_floor_at = NOON
    clock.at = NOON + timedelta(hours=1)
    outpost.clock_watch.note_server_time(clock.at)
    stop = asyncio.Event()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # the captured output is a file, too
    with file_size_limit(1):
        keeper = asyncio.create_task(
            app.keep_clock_floor(outpost.clock_watch, outpost.admission, outpost.stores.state, stop)
        )
        await asyncio.sleep(0.1)
        assert not keeper.done()
        stop.set()
        await keeper
    structlog.reset_defaults()
    assert outpost.admission.clock_floor_at == NOON


# In force


def test_secrets_that_come_late_make_keys_work_and_leave_with_them(opened, plane, identity, data_dir):
    plane.publish()
    key = plane.create_key()
    fill_cache(plane, identity, data_dir, with_secrets=False)
    outpost = opened()
    assert outpost.admission.admit(NOON).keys.missing_peppers == {plane.pepper_id}
    outpost.in_force.apply_secrets({**plane.secrets, "provider/openai": "sk-1"})
    assert outpost.admission.admit(NOON).keys.authenticate(key, at=NOON, address=None)
    assert outpost.in_force.provider_key("openai") == "sk-1"
    outpost.in_force.apply_secrets({})
    with pytest.raises(Rejected):
        outpost.admission.admit(NOON).keys.authenticate(key, at=NOON, address=None)
    assert outpost.in_force.provider_key("openai") is None


def test_a_bundle_that_comes_after_the_secrets_uses_them(opened, plane, identity):
    outpost = opened()
    outpost.in_force.apply_secrets(plane.secrets)
    plane.publish()
    key = plane.create_key()
    outpost.in_force.apply(stored_bundle(plane))
    assert outpost.admission.admit(NOON).keys.authenticate(key, at=NOON, address=None)


def test_a_refused_bundle_leaves_the_last_one_in_force(opened, plane, identity, data_dir):
    plane.publish()
    fill_cache(plane, identity, data_dir)
    outpost = opened()
    before, applied = outpost.admission.enforcement, outpost.in_force.applied
    plane.publish_unchecked({**stored_bundle(plane).documents, "policy.json": b"{}"})
    with pytest.raises(BundleRejected):
        outpost.in_force.apply(stored_bundle(plane))
    assert outpost.admission.enforcement is before
    assert outpost.in_force.applied is applied


def documents_with(plane, **texts) -> dict[str, bytes]:
    """The documents in force and more, by name without ``.json``."""
    return {**stored_bundle(plane).documents} | {
        f"{name}.json": json.dumps(text).encode() for name, text in texts.items()
    }


def with_documents(plane, documents):
    """What the outpost would download of a control plane that signs whatever it is given."""
    plane.publish_unchecked(documents)
    return stored_bundle(plane)


PROJECT = {"schema_version": "1", "custom": [{"id": "p", "kind": "custom.project", "keywords": ["Bluebird"]}]}
UNUSABLE = {
    "a smoke case that fails": (
        "smoke",
        {"cases": [{"id": "c", "text": "hello", "direction": "input", "expect": {"action": "BLOCK"}}]},
        "smoke.json: case c expects BLOCK, got ALLOW by default/default",
    ),
    "a pattern that is none": (
        "detectors",
        {"custom": [{"id": "p", "kind": "custom.p", "pattern": "a*"}]},
        "detectors.json: custom rule p: its pattern is refused at character 2",
    ),
    "a budget": (
        "budgets",
        {"budgets": [{"id": "b", "subject": {"group": "g"}, "monthly_tokens": 1, "at_limit": "BLOCK"}]},
        "budgets.json: this version cannot enforce budgets",
    ),
}


@pytest.mark.parametrize("why", UNUSABLE)
async def test_a_bundle_that_cannot_be_used_leaves_the_last_one_in_force(opened, plane, filled, why):
    name, content, says = UNUSABLE[why]
    outpost = opened()
    before = outpost.admission.enforcement
    stored = with_documents(plane, documents_with(plane, **{name: {"schema_version": "1"} | content}))
    with pytest.raises(BundleRejected) as caught:
        await outpost.in_force.prepare(stored)
    assert says in str(caught.value)
    assert outpost.admission.enforcement is before


async def test_detectors_of_the_bundle_are_what_is_inspected_with(opened, plane, filled):
    outpost = opened()
    before = outpost.admission.enforcement
    assert [finding.kind for finding in before.engine.scan("Bluebird")] == []
    (await outpost.in_force.prepare(with_documents(plane, documents_with(plane, detectors=PROJECT))))()
    after = outpost.admission.enforcement
    assert [finding.kind for finding in after.engine.scan("Bluebird")] == ["custom.project"]
    assert [finding.kind for finding in before.engine.scan("Bluebird")] == [], "who began with the old one keeps it"
    assert after.keys is before.keys, "what did not change is not made again"


async def test_the_event_loop_goes_on_while_a_large_bundle_is_made_ready(opened, plane, filled):
    outpost = opened()
    keys = json.loads(stored_bundle(plane).documents["keys.json"])
    example = {"prefix": "sk-op-a-01234567", "pepper_id": plane.pepper_id, "digest": "ab" * 32, "group": "g"}
    keys["keys"] = [example | {"id": f"k{n}", "allowed_networks": ["10.0.0.0/8"]} for n in range(20_000)]
    stored = with_documents(plane, documents_with(plane, keys=keys))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    looked_through = []
    gc.callbacks.append(lambda phase, about: looked_through.append((phase, about["generation"])))
    counting = asyncio.create_task(count())
    put_in_force = await outpost.in_force.prepare(stored)
    counting.cancel()
    gc.callbacks.pop()
    gc.unfreeze()
    assert looked_through == [("start", 2), ("stop", 2)], "once, before; in between it would hold everything up"
    put_in_force()
    assert turns > 10, "a compilation on the loop would have let it turn once"


def test_a_local_provider_key_wins(identity, config, plane, clock, tmp_path):
    (tmp_path / "key").write_text("sk-file\n")
    keys = {"provider_keys": {"openai": "sk-variable", "b": "sk-b"}, "provider_key_files": {"openai": tmp_path / "key"}}
    with closing(open_outpost(Config(data_dir=config.data_dir, **keys), clock=clock)) as outpost:
        outpost.in_force.apply_secrets({"provider/openai": "sk-sealed", "provider/c": "sk-c"})
        assert [outpost.in_force.provider_key(name) for name in ("openai", "b", "c")] == ["sk-file", "sk-b", "sk-c"]


async def test_lists_need_their_key_sealed_or_from_a_file(identity, config, plane, clock, tmp_path, filled):
    listing = {"schema_version": "1", "lists": [{"id": "customers", "kind": "org.customers", "form": "words"}]}
    documents = documents_with(plane, detectors=listing) | {"customers.list": build_words(["Quxley"], "customers", KEY)}
    stored = with_documents(plane, documents)
    (tmp_path / "key.json").write_bytes(encode_list_key(KEY))
    with closing(open_outpost(config, clock=clock)) as outpost:
        with pytest.raises(BundleRejected, match="which is not here"):
            await outpost.in_force.prepare(stored)
        outpost.in_force.apply_secrets({f"list/{KEY.id}": base64.b64encode(KEY.value).decode()})
        (await outpost.in_force.prepare(stored))()
        assert outpost.admission.enforcement.engine.scan("Quxley") != []
        await outpost.in_force.change_secrets({})  # taken away: what is in force goes on, the next bundle is refused
        assert outpost.admission.enforcement.engine.scan("Quxley") != []
        with pytest.raises(BundleRejected, match="which is not here"):
            await outpost.in_force.prepare(stored)
    local = Config(data_dir=config.data_dir, list_key_files=[tmp_path / "key.json"])
    with closing(open_outpost(local, clock=clock)) as outpost:
        (await outpost.in_force.prepare(stored))()
        assert outpost.admission.enforcement.engine.scan("Quxley") != []


# Serving


async def test_it_serves_the_cached_policy_with_the_control_plane_dead(opened, plane, identity, data_dir):
    plane.publish()
    fill_cache(plane, identity, data_dir)
    port, admin_port = _free_port(), _free_port()
    outpost = opened()
    outpost.config.__dict__.update(listen_port=port, admin_port=admin_port)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(outpost, Wishes(stop=stop)))
    async with httpx.AsyncClient(trust_env=False) as client:
        ready = await _answer(client, f"http://127.0.0.1:{port}/readyz")
        assert (ready.status_code, ready.text) == (200, "ready\n")
        report = (await client.get(f"http://127.0.0.1:{admin_port}/health")).json()
        assert report["ready"] is True
        assert report["outpost_id"] == identity.outpost_id
        refused = await client.get(f"http://127.0.0.1:{port}/v1/models")
        assert refused.json()["error"]["code"] == "missing_api_key"
    stop.set()
    await asyncio.wait_for(serving, 20)
    assert outpost.admission.draining
    assert outpost.audit.size >= 3  # start, the refusal, stop


@pytest.mark.parametrize("signals", [1, 2])
async def test_readiness_drops_first_then_requests_end_then_the_process(config, filled, clock, capsys, signals):
    port, admin_port = _free_port(), _free_port()
    changes = {"listen_port": port, "admin_port": admin_port, "shutdown_delay_s": 60 if signals == 2 else 1}
    running = asyncio.create_task(app.run(config.model_copy(update=changes), clock=clock))
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
            assert (await _answer(client, f"http://127.0.0.1:{port}/readyz")).status_code == 200
            os.kill(os.getpid(), signal.SIGTERM)
            for at in (admin_port, port):
                while (refused := await client.get(f"http://127.0.0.1:{at}/readyz")).status_code == 200:  # noqa: ASYNC110 - by a signal
                    await asyncio.sleep(0.01)
                assert "draining" in refused.text
            assert refused.headers["connection"] == "close"
            assert not running.done()
            if signals == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            await running
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://127.0.0.1:{port}/healthz")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
    assert "drained" in capsys.readouterr().out


async def test_a_process_that_is_told_to_end_ends_well(filled):
    port, admin_port = _free_port(), _free_port()
    settings = {"DATA_DIR": filled, "LISTEN_HOST": "127.0.0.1", "LISTEN_PORT": port, "ADMIN_PORT": admin_port}
    variables = {f"OUTPOST_{name}": str(value) for name, value in settings.items()}
    # A setting that the outpost does not know stops its start, and tests have variables of such names.
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OUTPOST_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from outpost.start import main; main()", "run"),
        env={**ours, **variables, "PYTHONPATH": "."},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(120):
            assert (await _answer(client, f"http://127.0.0.1:{port}/healthz")).status_code == 200
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_bad_tls_files_stop_the_start(opened, tmp_path):
    outpost = opened()
    outpost.config.__dict__["tls_certificate_file"] = tmp_path / "none"
    with pytest.raises(ConfigError, match=r"tls_certificate_file: .* cannot be read"):
        await serve(outpost, Wishes())


@pytest.mark.parametrize("taken", ["listen_port", "admin_port"])
async def test_a_port_that_is_taken_is_one_clear_error(opened, taken):
    outpost = opened()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outpost.config.__dict__[taken] = port
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
            await serve(outpost, Wishes())


async def test_a_host_that_does_not_exist_is_one_clear_error(opened):
    outpost = opened()
    outpost.config.__dict__["listen_host"] = "256.256.256.256"
    with pytest.raises(Unavailable, match=r"cannot listen on 256\.256\.256\.256 port 0: "):
        await serve(outpost, Wishes())


async def test_applied_and_refused_bundles_are_audited(opened, plane, identity):
    outpost = opened()
    prepare = app._audited_prepare(outpost, None)
    plane.publish()
    put_in_force = await prepare(stored_bundle(plane))
    assert outpost.in_force.applied is None
    await put_in_force()
    assert outpost.in_force.applied is not None
    plane.publish_unchecked({**stored_bundle(plane).documents, "policy.json": b"{}"})
    with pytest.raises(BundleRejected):
        await prepare(stored_bundle(plane))
    await outpost.audit.append(app._system_event(outpost, "stop"))
    outcomes = [event.outcome for _, event in app_events(outpost)]
    assert outcomes == ["bundle_applied", "bundle_refused", "stop"]


async def test_a_signal_while_waiting_for_a_token_ends_the_wait(tmp_path):
    config = Config(
        data_dir=tmp_path / "d", control_plane_url="https://cp.test", enrolment_token_file=tmp_path / "never"
    )
    loop = asyncio.get_running_loop()
    loop.call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
    try:
        async with asyncio.timeout(5):
            await app.run(config)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    assert not (tmp_path / "d").exists()


def app_events(outpost):
    return list(read_events(outpost.config.data_dir / app.AUDIT_FILE))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def _answer(client, url) -> httpx.Response:
    async with asyncio.timeout(60):  # an interpreter and all imports on a busy machine
        while True:
            try:
                return await client.get(url)
            except httpx.ConnectError:
                await asyncio.sleep(0.05)


def test_the_stored_bundle_of_the_fake_is_what_a_store_gives_back(plane, identity, data_dir):
    plane.publish()
    fill_cache(plane, identity, data_dir)
    with open_database(data_dir / "outpost.db") as database:
        assert BundleStore(database).load() == stored_bundle(plane)


async def test_a_model_pack_that_is_not_there_is_red_until_it_is(config, filled, clock, tmp_path):
    port = _free_port()
    changes = {"models_pack": tmp_path / "pack", "models_threads": 1, "listen_port": port}
    outpost = open_outpost(config.model_copy(update=changes), clock=clock)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(outpost, Wishes(stop=stop)))
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(60):
        refused = await _answer(client, f"{url}/readyz")
        assert refused.status_code == 503
        assert "inspection_unavailable" in refused.text
        write_pack(tmp_path / "made").rename(tmp_path / "pack")
        while (await client.get(f"{url}/readyz")).status_code != 200:  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.05)
        assert (await client.get(f"{url}/health")).json()["models"]["pack"] == "tiny 1.0"
    stop.set()
    await asyncio.wait_for(serving, 20)
    outpost.close()

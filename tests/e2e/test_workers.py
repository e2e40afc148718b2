"""Several workers as real processes: killed, stopped, replaced and told, under load, and never one event lost."""

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from outpost.audit.read import read_events
from outpost.demo.stage import Stage
from tests.e2e.test_crash import Client

ROUNDS = int(os.environ.get("OUTPOST_CRASH_ROUNDS", "2"))
SEED = 20261121
LIMIT = 6
WITHIN_S = 60.0  # a busy machine; usually some seconds

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.delenv("OUTPOST_PROVIDER_URL", raising=False)
    settings = {
        "OUTPOST_WORKERS": "2",
        "OUTPOST_MAX_CONCURRENT_REQUESTS": str(LIMIT),
        "OUTPOST_KEEPALIVE_TIMEOUT_S": "2",
    }
    running = Stage(tmp_path, outpost_variables=settings)
    try:
        running.start_provider()
        running.init_control_plane()
        running.serve_control_plane()
        running.enrol("e2e")
        running.run_outpost()
        yield running
    finally:
        running.close()


def until(what: Callable[[], object], within_s: float = WITHIN_S) -> None:
    deadline_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def pids(stage: Stage) -> list[int]:
    return stage.health()["workers"]["pids"]


def providers(stage: Stage) -> list[tuple[str, str, str]]:
    return [(line["provider"], line["state"], line["reason"]) for line in stage.health()["providers"]]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sockets_of(pid: int) -> int:
    links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH115, PTH208
    return sum(link.startswith("socket:") for link in links)


def ask(http: httpx.Client, stage: Stage, model: str = "standin-chat", text: str = "What is new?") -> tuple[int, str]:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    headers = {"Authorization": f"Bearer {stage.api_key}"}
    answer = http.post(f"{stage.base_url}/chat/completions", json=body, headers=headers)
    return answer.status_code, (answer.json().get("error") or {}).get("code", "")


@contextlib.contextmanager
def clients(count: int) -> Iterator[list[httpx.Client]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(httpx.Client(timeout=30, trust_env=False)) for _ in range(count)]


def counted(stage: Stage) -> float:
    lines = httpx.get(f"{stage.admin_url}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("outpost_requests_total{"))


def test_a_change_is_in_force_in_every_worker_once_it_is_said_to_be(stage: Stage, tmp_path: Path) -> None:
    before = {pid: sockets_of(pid) for pid in pids(stage)}
    with clients(8) as open_clients:
        assert {ask(http, stage) for http in open_clients} == {(200, "")}
        assert all(sockets_of(pid) > count for pid, count in before.items()), "each worker has got some of them"

        assert {(line["provider"], line["state"]) for line in stage.health()["providers"]} == {("openai", "healthy")}
        while ask(open_clients[0], stage, "standin-500") and providers(stage) != [("openai", "ejected", "failed")]:
            time.sleep(0.05)  # until one of the workers has seen enough
        assert ask(open_clients[0], stage) == (200, ""), "who is alone is asked nonetheless"

        packs = [{"id": "all", "sequence": 1, "combining": "first_applicable", "default": "BLOCK", "rules": []}]
        (tmp_path / "policy.json").write_text(json.dumps({"schema_version": "1", "packs": packs}))
        published = json.loads(stage.control_plane("policy", "publish", str(tmp_path / "policy.json"), "--json"))
        until(lambda: stage.health()["bundle"]["snapshot_version"] >= published["snapshot_version"])
        assert {ask(http, stage) for http in open_clients} == {(403, "policy_blocked")}

        stopped, other = pids(stage)
        os.kill(stopped, signal.SIGSTOP)  # it cannot obey, and must not go on when it wakes up
        stage.control_plane("outpost", "revoke", stage.health()["outpost_id"])
        until(lambda: stage.health()["identity"]["revoked"])
        assert not is_alive(stopped)
        assert is_alive(other)
        said = Counter()
        for http in open_clients:
            with contextlib.suppress(httpx.TransportError):  # its worker is dead
                said[ask(http, stage)] += 1
        assert set(said) == {(403, "outpost_revoked")}
    until(lambda: len(pids(stage)) == 2)
    with clients(4) as others:
        assert {ask(http, stage) for http in others} == {(403, "outpost_revoked")}
    outcomes = [event.outcome for _, event in read_events(stage.outpost_data / "audit.db") if event.kind == "system"]
    assert "worker_ended" in outcomes


def test_limits_hold_for_all_and_workers_are_replaced_without_anybody_noticing(stage: Stage) -> None:
    with clients(LIMIT + 4) as many, ThreadPoolExecutor(LIMIT + 4) as threads:
        said = Counter(threads.map(lambda http: ask(http, stage, "standin-slow"), many))
    assert said[(200, "")] == LIMIT
    assert sorted(code for _, code in said.elements()) == [*[""] * LIMIT, *["overloaded"] * 4]
    assert counted(stage) == LIMIT + 4

    first = pids(stage)
    stop, answers, failures = threading.Event(), Counter(), []

    def go_on(number: int) -> None:
        with httpx.Client(timeout=30, trust_env=False) as kept:
            while not stop.is_set():
                try:
                    if number % 2:
                        answers[ask(kept, stage)] += 1
                    else:
                        with httpx.Client(timeout=30, trust_env=False) as fresh:
                            answers[ask(fresh, stage, "standin-slow" if number == 0 else "standin-chat")] += 1
                except httpx.HTTPError as err:
                    failures.append(repr(err))

    asking = [threading.Thread(target=go_on, args=(number,)) for number in range(4)]
    for thread in asking:
        thread.start()
    counts = [counted(stage)]
    os.kill(stage.pid("outpost"), signal.SIGHUP)
    until(lambda: len(pids(stage)) == 2 and not {*first} & {*pids(stage)})
    counts.append(counted(stage))
    until(lambda: not any(map(is_alive, first)))
    counts.append(counted(stage))
    stop.set()
    for thread in asking:
        thread.join()
    assert not failures
    assert set(answers) == {(200, "")}
    assert counts == sorted(counts), "what a worker counted outlives it"
    assert stage.health()["workers"]["ended_unasked"] == 0

    with clients(1) as (http,), ThreadPoolExecutor(1) as threads:
        slow = threads.submit(ask, http, stage, "standin-slow")
        time.sleep(0.5)
        stage.stop("outpost")
        assert slow.result() == (200, "")
    assert json.loads(stage.outpost("audit", "verify", "--json"))["ok"]


def test_no_acknowledged_event_is_lost_whoever_is_killed(stage: Stage) -> None:
    chance = random.Random(SEED)
    asking = [Client(stage, number) for number in range(4)]
    for client in asking:
        client.start()
    for turn in range(ROUNDS):
        time.sleep(chance.uniform(0.2, 0.8))
        working = pids(stage)
        if turn % 2:
            stage.kill("outpost")
            until(lambda gone=working: not any(map(is_alive, gone)), 10)
            stage.run_outpost()
        else:
            os.kill(chance.choice(working), signal.SIGKILL)
            until(lambda: stage.health()["state"] == "red")
            assert stage.health()["ready"]
            until(lambda: stage.health()["state"] != "red")
    for client in asking:
        client.stop.set()
        client.join(10)
    said = {request: status for client in asking for request, status in client.answered.items()}
    # A worker without a parent refuses with audit_unavailable, which nobody can write down.
    answered = {request: status for request, status in said.items() if status != 503}

    recorded = defaultdict(set)
    for _, event in read_events(stage.outpost_data / "audit.db"):
        recorded[event.request_id].add(event.kind)
    assert len(answered) > 20 * ROUNDS
    assert set(answered.values()) == {200, 403}
    for request, status in answered.items():
        assert recorded[request] >= {"decision", "completion"}, f"{request} was answered {status}"
    assert json.loads(stage.outpost("audit", "verify", "--json"))["ok"]
    assert stage.wait_delivered() >= len(answered)

"""Reload and upgrade of real processes under load: nobody is refused, reset or cut off, and no event is lost."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from outpost.audit.read import read_events
from outpost.demo.stage import Stage

PAUSE_S = 0.05
WITHIN_S = 60.0  # a busy machine; usually some seconds
LAUNCHER = "#!{python}\nfrom outpost.start import main\n\nmain()\n"
BROKEN = "#!{python}\nimport there_is_no_such_module\n"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@dataclass
class Site:
    """An outpost that is started by a script of its own, with a settings file."""

    stage: Stage
    folder: Path
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def script(self) -> Path:
        return self.folder / "bin" / "outpost"

    @property
    def log(self) -> list[dict[str, object]]:
        lines = (self.folder / "outpost.log").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, object]]:
        return [entry for entry in self.log if entry.get("event") == event]

    def install(self, text: str) -> None:
        self.script.parent.mkdir(exist_ok=True)
        fresh = self.script.with_suffix(".new")
        fresh.write_text(text.format(python=sys.executable))
        fresh.chmod(0o755)
        fresh.replace(self.script)

    def set(self, **values: object) -> None:
        self.settings |= values
        lines = [f"{name} = {json.dumps(value)}" for name, value in self.settings.items()]
        (self.folder / "outpost.toml").write_text("\n".join(lines) + "\n", "utf-8")

    def run(self, *before: str) -> None:
        ready = f"{self.stage.admin_url}/readyz"
        arguments = [*before, str(self.script), "run"]
        self.stage._spawn("outpost", arguments, self.stage._outpost_settings(), lambda: self.stage._is_ok(ready))

    @property
    def pid(self) -> int:
        """Of the outpost, also where it is the first process of a namespace of its own."""
        return next(iter(children(self.process.pid))) if "unshare" in self.process.args else self.process.pid

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    @property
    def process(self):
        return self.stage._processes["outpost"].process


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("OUTPOST_PROVIDER_URL", raising=False)
    stage = Stage(tmp_path)
    made = Site(stage, tmp_path)
    made.install(LAUNCHER)
    made.set(keepalive_timeout_s=2)
    try:
        stage.start_provider()
        stage.init_control_plane()
        stage.serve_control_plane()
        stage.enrol("e2e")
        yield made
    finally:
        stage.close()


def until(what: Callable[[], object], within_s: float = WITHIN_S) -> None:
    deadline_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


class Clients:
    """Ask without end: one on a connection that it keeps, one on a new one each time, one for streams."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self.requests: set[str] = set()
        self.longest_s = 0.0
        """Of a request on a new connection."""
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._go_on, args=(work,)) for work in (self._keep, self._fresh)]
        self._threads += [threading.Thread(target=self._go_on, args=(self._stream,))]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        until(lambda: sum(self.answers.values()) > 5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _go_on(self, work: Callable[[httpx.Client], None]) -> None:
        each_its_own = httpx.Limits(max_keepalive_connections=0 if work == self._fresh else 1)
        with httpx.Client(timeout=WITHIN_S, trust_env=False, limits=each_its_own) as http:
            while not self._stop.is_set():
                try:
                    work(http)
                except (httpx.HTTPError, AssertionError, KeyError) as err:
                    self.failures.append(f"{work.__name__}: {err!r}")
                time.sleep(PAUSE_S)

    def _ask(self, http: httpx.Client) -> None:
        answer = http.post(f"{self.stage.base_url}/chat/completions", json=self._body(), headers=self.stage._headers())
        self._note(answer)

    def _note(self, answer: httpx.Response) -> None:
        self.answers[answer.status_code] += 1
        self.requests.add(answer.headers["x-request-id"])

    def _body(self) -> dict[str, object]:
        return self.stage._body("What is new?")

    def _keep(self, http: httpx.Client) -> None:
        self._ask(http)

    def _fresh(self, http: httpx.Client) -> None:
        began_s = time.monotonic()
        self._ask(http)
        self.longest_s = max(self.longest_s, time.monotonic() - began_s)

    def _stream(self, http: httpx.Client) -> None:
        body = self._body() | {"stream": True, "model": "standin-slow"}
        url = f"{self.stage.base_url}/chat/completions"
        with http.stream("POST", url, json=body, headers=self.stage._headers()) as answer:
            text = "".join(answer.iter_text())
        assert text.rstrip().endswith("data: [DONE]")
        self._note(answer)


def recorded(stage: Stage) -> set[str]:
    return {event.request_id for _, event in read_events(stage.outpost_data / "audit.db") if event.kind == "completion"}


def went_well(site: Site, clients: Clients) -> None:
    assert not clients.failures
    assert set(clients.answers) == {200}
    assert clients.requests <= recorded(site.stage)


def children(pid: int) -> dict[int, str]:
    """Pids and states."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid:
                found[int(entry.name)] = state
    return found


def as_the_first_process() -> tuple[str, ...]:
    """What to put before a command so that it has the process id 1, as in a container; nothing where we may not."""
    command = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    try:
        done = subprocess.run([*command, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return ()
    return command if done.returncode == 0 else ()


def test_workers_and_then_the_whole_program_are_replaced_and_nobody_notices(site: Site) -> None:
    site.set(workers=2)
    site.run(*as_the_first_process())
    pid = site.pid
    until(lambda: len(site.stage.health()["workers"]["pids"]) == 2)
    os.kill(next(iter(children(pid))), signal.SIGKILL)
    until(lambda: site.stage.health()["workers"]["ended_unasked"] == 1)
    until(lambda: len(site.stage.health()["workers"]["pids"]) == 2)
    first = site.stage.health()["workers"]["pids"]
    with Clients(site.stage) as clients:
        site.set(no_such_setting=1)
        site.signal(signal.SIGHUP)
        until(lambda: site.said("settings_refused"))
        assert site.said("settings_refused")[0]["problems"] == ["no_such_setting: unknown key"]
        del site.settings["no_such_setting"]
        assert site.stage.health()["workers"]["pids"] == first

        site.set(max_chat_bytes=2_000, models_threads=1)
        site.signal(signal.SIGHUP)
        until(lambda: not {*site.stage.health()["workers"]["pids"]} & {*first} and not site.stage.health()["problems"])
        assert site.said("settings_read")[0]["changed"] == ["max_chat_bytes"]
        assert site.said("settings_wait")[0]["settings"] == ["models_threads"]
        assert site.stage.ask("x" * 2_000).status_code == 413

        site.install(BROKEN)
        site.signal(signal.SIGUSR2)
        until(lambda: site.said("upgrade_refused"))
        assert "ModuleNotFoundError" in str(site.said("upgrade_refused")[0]["reason"])
        assert len(site.said("listening")) == 1

        site.install(LAUNCHER)
        site.signal(signal.SIGUSR2)
        site.signal(signal.SIGUSR2)
        until(lambda: len(site.said("listening")) > 1)
        served = sum(clients.answers.values())
        until(lambda: sum(clients.answers.values()) > served + 5)
    assert (site.pid, site.process.poll()) == (pid, None)
    assert "Z" not in children(pid).values()
    went_well(site, clients)

    begun = len(site.said("upgrade_begins"))
    site.signal(signal.SIGUSR2)
    until(lambda: len(site.said("upgrade_begins")) > begun)
    site.signal(signal.SIGTERM)  # wherever it is by now: it ends, and ends well
    assert site.process.wait(WITHIN_S) == 0
    assert json.loads(site.stage.outpost("audit", "verify", "--json"))["ok"]


def test_one_process_is_followed_by_the_next_and_loses_nothing_when_it_is_killed_meanwhile(site: Site) -> None:
    site.run()
    with Clients(site.stage) as clients:
        site.signal(signal.SIGHUP)
        until(lambda: len(site.said("listening")) == 2)
        served = sum(clients.answers.values())
        until(lambda: sum(clients.answers.values()) > served + 5)
    went_well(site, clients)
    with Clients(site.stage) as doomed:
        site.signal(signal.SIGUSR2)
        until(lambda: len(site.said("drained")) == 2)
        site.stage.kill("outpost")
    site.run()
    assert doomed.requests <= recorded(site.stage)
    assert json.loads(site.stage.outpost("audit", "verify", "--json"))["ok"]

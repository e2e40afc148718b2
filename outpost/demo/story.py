"""The story ``make demo`` tells: each line is printed only after processes have made it true.

Nothing is simulated but the provider. A control plane with its own authority, an outpost that enrols by the
registration command and a provider run as separate processes and are killed and restarted for real.
"""

import json
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from outpost.demo.processes import DemoFailed
from outpost.demo.stage import Stage

CARD: Final = "4111 1111 1111 1111"  # the industry's published test number; Luhn-valid
EMAIL: Final = "jane.roe@example.com"
MAX_SHOWN_CHARS: Final = 160

Line = tuple[str, Callable[[], str]]


def run(*, once: bool) -> int:
    """Tell the story; returns the exit code, 0 only if every line came true.

    SIGTERM and a closed terminal end it as Ctrl-C does: its processes are stopped and its files removed.
    """
    console = Console(highlight=False)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="outpost-demo-"))
    stage = Stage(directory)
    try:
        if not _tell(Story(stage).lines(), console):
            return 1
        console.print("\nEvery line came true.")
        if not once:
            _stay_up(stage, console)
    except KeyboardInterrupt:
        console.print("\nStopping.")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second one would leave processes behind
        stage.close()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _tell(lines: list[Line], console: Console) -> bool:
    for number, (title, make_true) in enumerate(lines, start=1):
        try:
            with console.status(title):
                detail = make_true()
        except (DemoFailed, httpx.HTTPError, sqlite3.Error, OSError, LookupError, ValueError) as err:
            _print_line(console, "[bold red]✘[/]", number, title, f"{type(err).__name__}: {err}")
            return False
        _print_line(console, "[bold green]✔[/]", number, title, detail)
    return True


def _print_line(console: Console, mark: str, number: int, title: str, detail: str) -> None:
    console.print(f"{mark} {number:>2}  [bold]{escape(title)}[/]", soft_wrap=True)
    console.print(Padding(f"[dim]{escape(detail)}[/]", (0, 0, 0, 6)))


def _stay_up(stage: Stage, console: Console) -> None:
    """Print how to try it with one's own client, and wait for Ctrl-C."""
    body = json.dumps({"model": stage.provider.model, "messages": [{"role": "user", "content": f"My card is {CARD}"}]})
    text = f"""
It stays up. Try it with your own client:

  base_url  {stage.base_url}
  api_key   {stage.api_key}
  model     {stage.provider.model}

  curl -s {stage.base_url}/chat/completions -H 'Authorization: Bearer {stage.api_key}' \\
    -H 'Content-Type: application/json' -d '{body}'

  outpost audit tail --data-dir {stage.outpost_data}
  {stage.admin_url}/health and /metrics

Ctrl-C ends it and removes its files."""
    console.print(text, markup=False, soft_wrap=True)
    while True:
        time.sleep(3600)


class Story:
    """What happens on the stage, line by line."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def lines(self) -> list[Line]:
        """Every line of the story, in order."""
        return [
            ("A provider is there", self._start_provider),
            ("The control plane makes its own root and intermediate, and serves", self._start_control_plane),
            ("The outpost enrols with a one-use token and is ready", self._start_outpost),
            ("An ordinary chat is answered", self._ordinary_chat),
            ("A card number is blocked; nothing reaches the provider", self._card_blocked),
            ("An e-mail address is redacted before the provider sees it", self._email_redacted),
            ("The same while streaming", self._email_redacted_streaming),
            ("The control plane is killed; enforcement goes on", self._kill_control_plane),
            (
                "The outpost is killed and restarted without the control plane; it enforces at once",
                self._restart_outpost,
            ),
            ("A tampered cached bundle is refused, and so is every request", self._tamper_bundle),
            ("The control plane comes back; the audit events that waited are delivered", self._deliver_audit),
            ("The audit log verifies", self._verify_audit),
            ("One altered row is named by the verification, and no other", self._alter_audit),
        ]

    def _start_provider(self) -> str:
        provider = self._stage.provider
        if not provider.is_standin:
            return f"requests go to {provider.base_url}, model {provider.model}"
        self._stage.start_provider()
        return f"a stand-in that speaks OpenAI's API, at {provider.base_url}"

    def _start_control_plane(self) -> str:
        self._stage.init_control_plane()
        seconds = self._stage.serve_control_plane()
        enrol_url, sync_url = self._stage.control_plane_urls
        return f"enrolment at {enrol_url}, mutual TLS at {sync_url}, after {seconds:.1f} s"

    def _start_outpost(self) -> str:
        outpost_id = self._stage.enrol("demo")
        seconds = self._stage.run_outpost()
        version = self._stage.health()["bundle"]["snapshot_version"]
        return f"{outpost_id} enforces policy version {version}, ready {seconds:.1f} s after its start"

    def _ordinary_chat(self) -> str:
        answer = _require(self._stage.ask("What is the capital of France?"), httpx.codes.OK)
        said = answer.json()["choices"][0]["message"]["content"]
        return f"{answer.status_code} {answer.headers['x-policy-action']}: {_short(said)}"

    def _card_blocked(self) -> str:
        if self._stage.provider.is_standin:
            self._stage.forget_received()
        answer = _require(self._stage.ask(f"Please charge my card {CARD}."), httpx.codes.FORBIDDEN, "policy_blocked")
        if CARD in answer.text:
            raise DemoFailed("the refusal repeats the card number")
        if self._stage.provider.is_standin and (received := self._stage.received()):
            raise DemoFailed(f"the provider received {len(received)} requests")
        return f"{answer.status_code} policy_blocked: {answer.json()['error']['message']}"

    def _email_redacted(self) -> str:
        if self._stage.provider.is_standin:
            self._stage.forget_received()
        answer = _require(self._stage.ask(f"Write a reply to {EMAIL}, please."), httpx.codes.OK)
        return self._show_redaction(answer)

    def _email_redacted_streaming(self) -> str:
        if self._stage.provider.is_standin:
            self._stage.forget_received()
        with self._stage.stream(f"Write a reply to {EMAIL}, please.") as answer:
            events = [line for line in answer.iter_lines() if line.startswith("data: ")]
            if answer.status_code != httpx.codes.OK or events[-1:] != ["data: [DONE]"]:
                raise DemoFailed(f"status {answer.status_code}, {len(events)} events, no [DONE] at the end")
            return f"{len(events)} events; {self._show_redaction(answer)}"

    def _kill_control_plane(self) -> str:
        self._stage.kill("control-plane")
        answered, blocked = self._both()
        return f"a chat is still answered ({answered}), a card still refused ({blocked})"

    def _restart_outpost(self) -> str:
        self._stage.kill("outpost")
        seconds = self._stage.run_outpost()
        answered, blocked = self._both()
        return f"ready {seconds:.1f} s after kill -9, from its cache alone: chat {answered}, card {blocked}"

    def _tamper_bundle(self) -> str:
        self._stage.stop("outpost")
        policy = self._replace_policy(lambda content: content.replace(b'"BLOCK"', b'"ALLOW"'))
        self._stage.run_outpost(until="/healthz")
        refused = _require(self._stage.ask("Hello?"), httpx.codes.SERVICE_UNAVAILABLE, "no_policy")
        self._stage.stop("outpost")
        self._replace_policy(lambda _tampered: policy)
        self._stage.run_outpost()
        _require(self._stage.ask("Hello?"), httpx.codes.OK)
        return f"BLOCK made ALLOW in the cached policy.json: {refused.status_code} no_policy. Put back, it serves again"

    def _deliver_audit(self) -> str:
        self._stage.serve_control_plane()
        return f"{self._stage.wait_delivered()} events countersigned by the control plane"

    def _verify_audit(self) -> str:
        report = json.loads(self._stage.outpost("audit", "verify", "--json"))
        return (
            f"{report['size']} events, {report['checkpoints_checked']} checkpoints, "
            f"{report['receipts_checked']} receipts; root {report['root_b64']}"
        )

    def _alter_audit(self) -> str:
        copy = self._stage.directory / "altered.db"
        seq = _copy_with_one_event_altered(self._stage.outpost_data / "audit.db", copy)
        status = json.loads(self._stage.outpost("status", "--json"))
        keys = ("--vkey", status["audit_vkey"], "--receipt-vkey", status["receipt_vkey"])
        report = json.loads(self._stage.outpost("audit", "verify", "--json", "--file", str(copy), *keys, expect=1))
        named = [(problem["first_seq"], problem["last_seq"]) for problem in report["problems"]]
        if named != [(seq, seq)]:
            raise DemoFailed(f"event {seq} was altered, but the verification names {named}")
        return f"in a copy, BLOCK made ALLOW in event {seq}: {report['problems'][0]['message']} (event {seq})"

    def _both(self) -> tuple[int, int]:
        """Statuses of an ordinary chat and of a card number."""
        answered = _require(self._stage.ask("Is anybody there?"), httpx.codes.OK)
        blocked = _require(self._stage.ask(f"Card {CARD}"), httpx.codes.FORBIDDEN, "policy_blocked")
        return answered.status_code, blocked.status_code

    def _show_redaction(self, answer: httpx.Response) -> str:
        action = answer.headers["x-policy-action"]
        if action != "REDACT":
            raise DemoFailed(f"the action was {action}")
        if not self._stage.provider.is_standin:
            return f"{answer.status_code} {action} (what a real provider received cannot be shown)"
        received = [body["messages"][0]["content"] for body in self._stage.received()]
        if len(received) != 1 or EMAIL in received[0] or "[REDACTED:pii.email]" not in received[0]:
            raise DemoFailed(f"the provider received {received}")
        return f"{answer.status_code} {action}; the provider received: {received[0]}"

    def _replace_policy(self, change: Callable[[bytes], bytes]) -> bytes:
        """Rewrite the cached policy document behind the outpost's back; returns what was there."""
        with closing(sqlite3.connect(self._stage.outpost_data / "outpost.db")) as connection, connection:
            where = "WHERE name = 'policy.json'"
            (content,) = connection.execute(f"SELECT content FROM bundle_document {where}").fetchone()  # noqa: S608
            changed = change(bytes(content))
            connection.execute(f"UPDATE bundle_document SET content = ? {where}", (changed,))  # noqa: S608
        return bytes(content)


def _copy_with_one_event_altered(log: Path, copy: Path) -> int:
    """Copy an audit log and turn one recorded BLOCK into ALLOW; returns the event's seq."""
    with closing(sqlite3.connect(log)) as source, closing(sqlite3.connect(copy)) as target, target:
        source.backup(target)
        find = "SELECT seq, event FROM events WHERE instr(event, ?) ORDER BY seq LIMIT 1"
        seq, event = target.execute(find, (b'"action":"BLOCK"',)).fetchone()
        altered = bytes(event).replace(b'"action":"BLOCK"', b'"action":"ALLOW"')
        target.execute("UPDATE events SET event = ? WHERE seq = ?", (altered, seq))
    return int(seq)


def _require(answer: httpx.Response, status: int, code: str | None = None) -> httpx.Response:
    """The answer, if it is what the line promises."""
    seen = answer.json().get("error", {}).get("code")
    if answer.status_code != status or seen != code:
        raise DemoFailed(f"the answer was {answer.status_code} {seen or ''}, not {status} {code or ''}")
    return answer


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"

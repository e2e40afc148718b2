"""Everything the programs write during a whole run is searched for what must not be there."""

import json
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from outpost.demo.stage import Stage

CARD = "4242 4242 4242 4242"
EMAIL = "zebra.quagga@savanna-herd.example"
WORDS = "tangerine-walrus-omelette"  # an innocent prompt is nobody's business either
TOKEN = "sk-live-planted-in-a-body-0123456789"
PLANTED = (CARD, CARD.replace(" ", ""), EMAIL, WORDS, TOKEN)


def exchanges(stage: Stage) -> None:
    """Every way a secret can come in: prompts, answers, bad bodies, bad keys, bad paths, streams, errors."""
    url, headers = f"{stage.base_url}/chat/completions", {"Authorization": f"Bearer {stage.api_key}"}
    texts = [f"Card {CARD}", f"Mail {EMAIL}", WORDS, f"SAY:{EMAIL} {CARD}", f"SAY:{WORDS}"]
    with httpx.Client(timeout=10, trust_env=False) as http:
        for text in texts:
            for stream in (False, True):
                for model in (stage.provider.model, "standin-500", "standin-401", "standin-notjson"):
                    message = {"role": "user", "content": text}
                    http.post(url, headers=headers, json={"model": model, "stream": stream, "messages": [message]})
        http.post(url, headers=headers, content=f'{{"model": "{CARD}", "{WORDS}": '.encode())
        http.post(url, headers=headers, content=f'{{"{TOKEN}":1,"{TOKEN}":2}}'.encode())
        http.post(url, headers=headers, json={"model": EMAIL, "messages": [{"role": "user", "content": WORDS}]})
        http.post(url, headers={"Authorization": f"Bearer {TOKEN}"}, json={"model": WORDS})
        http.get(f"{stage.base_url}/{WORDS}?key={TOKEN}", headers=headers | {"X-Note": EMAIL})
        http.request("FOO", url, headers={TOKEN: CARD})
    realtime(stage)


def realtime(stage: Stage) -> None:
    """The same over WebSockets: in events, in what is no event, in the address, as a key, and in what comes back."""
    url = f"{stage.base_url.replace('http', 'ws', 1)}/realtime?model="
    mine = stage.provider.model
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        for text in (f"Card {CARD}", f"Mail {EMAIL}", WORDS, f"SAY:{EMAIL} {CARD}", f"SAY:{WORDS}")
    ]
    told = [{"type": "conversation.item.create", "item": item} for item in items]
    told += [{"type": TOKEN}, {"type": "session.update", "session": {WORDS: CARD}}]
    for event in told:
        talk(url + mine, stage.api_key, [json.dumps(event), '{"type": "response.create"}'])
    talk(url + mine, stage.api_key, [f'{{"type": "{WORDS}", "{TOKEN}'])
    talk(url + mine, stage.api_key, [CARD.encode()])
    for model in (CARD, EMAIL):
        talk(url + quote(model), stage.api_key, [])
    talk(url + mine, TOKEN, [])
    talk(url + mine + f"&{TOKEN}={WORDS}", stage.api_key, [])


def talk(url: str, key: str, frames: list[str | bytes]) -> None:
    """Say all of it and listen to the end of a response; a refusal is as good."""
    headers = {"Authorization": f"Bearer {key}"}
    with suppress(WebSocketException), connect(url, additional_headers=headers, proxy=None) as socket:
        for frame in frames:
            socket.send(frame)
        while json.loads(socket.recv(timeout=20))["type"] != "response.done":
            pass


def written(directory: Path) -> list[tuple[Path, bytes]]:
    """Every file below ``directory``, but for the private keys' own directories."""
    found = []
    for root, _, names in os.walk(directory):
        for name in names:
            path = Path(root) / name
            if path.is_file():
                found.append((path, path.read_bytes()))
    return found


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_no_log_file_or_page_repeats_a_secret(stage: Stage) -> None:
    exchanges(stage)
    stage.wait_delivered()
    metrics = httpx.get(f"{stage.admin_url}/metrics", trust_env=False).text
    printed = (
        stage.outpost("audit", "export") + stage.outpost("status", "--json") + metrics + json.dumps(stage.health())
    )
    stage.stop("outpost")
    stage.stop("control-plane")

    files = written(stage.directory)
    assert {"outpost.log", "control-plane.log", "audit.db", "outpost.db", "control-plane.db"} <= {
        p.name for p, _ in files
    }
    provider_key = stage.provider.api_key
    assert provider_key is not None
    for secret in (*PLANTED, stage.api_key, provider_key):
        assert secret not in printed
        for path, content in files:
            if path.name != "provider.log":  # the provider is not ours to keep quiet
                assert secret.encode() not in content, f"{path.name} holds a planted secret"


@pytest.mark.e2e
def test_the_audit_log_holds_what_it_should(stage: Stage) -> None:
    """The search above would pass on empty files."""
    exchanges(stage)
    stage.wait_delivered()
    with closing(sqlite3.connect(stage.outpost_data / "audit.db")) as connection:
        events = b"".join(event for (event,) in connection.execute("SELECT event FROM events"))
    logs = (stage.directory / "outpost.log").read_text()

    for kind in ("pci.pan", "pii.email", "policy_blocked", "invalid_request", "provider_error"):
        assert kind.encode() in events
    assert b'"surface":"openai.realtime"' in events
    assert b"response.done" not in events
    assert "request_refused" in logs
    assert all(line.startswith("{") for line in logs.splitlines())

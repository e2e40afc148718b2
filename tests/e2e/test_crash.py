"""``kill -9`` of the whole outpost under load: no audit event of an answer that a client has seen is ever lost."""

import json
import os
import random
import threading
import time
from collections import defaultdict

import httpx
import pytest

from outpost.audit.read import read_events
from outpost.demo.stage import Stage

ROUNDS = int(os.environ.get("OUTPOST_CRASH_ROUNDS", "6"))
CLIENTS = 4
SEED = 20261121
PROMPTS = ("What is new?", "Card 4111 1111 1111 1111", "Write to jane.roe@example.com", "SAY:call jane.roe@example.com")


class Client(threading.Thread):
    """Asks without pause until told to stop; remembers the id and status of every answer read to its end."""

    def __init__(self, stage: Stage, number: int) -> None:
        super().__init__(daemon=True)
        self.stage, self.random, self.stop = stage, random.Random(SEED + number), threading.Event()
        self.answered: dict[str, int] = {}

    def run(self) -> None:
        with httpx.Client(timeout=5, trust_env=False) as http:
            while not self.stop.is_set():
                try:
                    self.ask(http)
                except httpx.HTTPError:  # the outpost is dead or dying
                    time.sleep(0.02)

    def ask(self, http: httpx.Client) -> None:
        body = {
            "model": self.stage.provider.model,
            "messages": [{"role": "user", "content": self.random.choice(PROMPTS)}],
            "stream": self.random.random() < 0.5,
        }
        headers = {"Authorization": f"Bearer {self.stage.api_key}"}
        with http.stream("POST", f"{self.stage.base_url}/chat/completions", json=body, headers=headers) as answer:
            text = answer.read().decode()
        if not body["stream"] or answer.status_code != 200 or text.endswith("data: [DONE]\n\n"):
            self.answered[answer.headers["x-request-id"]] = answer.status_code


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_no_acknowledged_event_is_lost(stage: Stage) -> None:
    chance = random.Random(SEED)
    clients = [Client(stage, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for _ in range(ROUNDS):
        time.sleep(chance.uniform(0.2, 1.0))
        stage.kill("outpost")
        stage.run_outpost()
    for client in clients:
        client.stop.set()
        client.join(10)
    answered = {request: status for client in clients for request, status in client.answered.items()}

    recorded = defaultdict(set)
    for _, event in read_events(stage.outpost_data / "audit.db"):
        recorded[event.request_id].add(event.kind)
    assert len(answered) > 20 * ROUNDS
    assert {200, 403} <= set(answered.values())
    for request, status in answered.items():
        assert "completion" in recorded[request], f"{request} was answered {status}"
        assert "decision" in recorded[request], f"{request} was answered {status}"
    assert json.loads(stage.outpost("audit", "verify", "--json"))["ok"]
    assert stage.wait_delivered() >= len(answered)

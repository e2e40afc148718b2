"""Runs the client scripts beside this file, each in its own process with whatever it needs installed.

``CLIENT_PYTHON`` names an interpreter in which the Python clients are installed (default: this one), ``CLIENT_MODULES``
a directory in which ``npm install openai`` was run.
"""

import asyncio
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from outpost.protocol.documents import PolicyDocument
from outpost.protocol.routing import Provider, RoutingDocument
from tests.architecture.repository import ROOT
from tests.e2e.setup import policy
from tests.fakes.outpost import running_outpost
from tests.fakes.upstream import UPSTREAM_KEY, Upstream

HERE = Path(__file__).parent
PYTHON = os.environ.get("CLIENT_PYTHON", sys.executable)
MODULES = os.environ.get("CLIENT_MODULES", "")
TIMEOUT_S = 60.0
MISSING = 3
"""Exit code of a check that finds a client not installed."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its name for people, its script, the packages without which it is skipped."""

    name: str
    script: str
    packages: tuple[str, ...] = ()


CLIENTS = (
    Client("openai (Python)", "openai_python", ("openai",)),
    Client("anthropic (Python)", "anthropic_python", ("anthropic",)),
    Client("openai (Node)", "openai_node"),
    Client("LangChain", "langchain_python", ("langchain_openai", "langchain_anthropic")),
    Client("LiteLLM", "litellm_python", ("litellm",)),
    Client("instructor", "instructor_python", ("instructor",)),
    Client("LlamaIndex", "llama_index_python", ("llama_index.llms.openai", "llama_index.embeddings.openai")),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """What a client got: its version, its cases, and those whose result through the outpost was another."""

    version: str
    cases: tuple[str, ...]
    failed: tuple[str, ...]
    different: tuple[str, ...]


async def compare(client: Client, upstream: Upstream, chosen: PolicyDocument | None = None) -> Compared:
    """Run ``client`` at the provider and at an outpost before it. Skips the calling test where it is not installed."""
    await _require(client)
    direct = await _run(client, upstream.base_url, UPSTREAM_KEY)
    async with running_outpost(policy=chosen or policy(), routing=routing(upstream)) as running:
        through = await _run(client, running.base_url, running.api_key)
    cases = tuple(name for name in direct["results"] if name != "failed")
    different = tuple(name for name in cases if direct["results"][name] != through["results"].get(name))
    return Compared(direct["version"], cases, tuple(direct["results"].get("failed", ())), different)


def routing(upstream: Upstream) -> RoutingDocument:
    """Any model, in both APIs."""
    providers = [
        Provider(id=surface, surface=surface, base_url=upstream.openai_url, models=["*"])
        for surface in ("openai", "anthropic")
    ]
    return RoutingDocument(schema_version="1", providers=providers)


async def _require(client: Client) -> None:
    if client.packages:
        code = f"import importlib.util as u, sys; sys.exit({MISSING} * any(map(missing, {client.packages!r})))"
        code = "def missing(name):\n try: return u.find_spec(name) is None\n except ImportError: return True\n" + code
        found = await asyncio.create_subprocess_exec(PYTHON, "-c", "import importlib.util as u\n" + code)
        if await found.wait():
            pytest.skip(f"{client.name} is not installed (CLIENT_PYTHON={PYTHON})")
    elif not MODULES or shutil.which("node") is None:
        pytest.skip(f"{client.name}: set CLIENT_MODULES to where npm installed it")


async def _run(client: Client, base_url: str, key: str) -> dict[str, Any]:
    command = [PYTHON, "-m", f"tests.e2e.clients.{client.script}"]
    if not client.packages:
        command = ["node", str(HERE / f"{client.script}.mjs")]
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    env |= {"CLIENT_BASE_URL": base_url, "CLIENT_API_KEY": key, "CLIENT_MODULES": MODULES, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    reported: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
    return reported

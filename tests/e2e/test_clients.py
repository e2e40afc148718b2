"""Clients that people use, unmodified: at an outpost they get what they get at the provider.

``make clients`` installs them, and so does ``make test``; those that cannot be installed are skipped, but not in CI.
"""

import pytest

from tests.architecture.compatibility_table import CASES, DOCUMENT, rows
from tests.architecture.repository import read
from tests.e2e.clients.running import CLIENTS, Client, Compared, compare

# What a client or its API does not have.
NOT_OFFERED = {
    "openai realtime (Python)": {"structured output", "image", "embeddings", "responses", "timeout"},
    "anthropic (Python)": {"embeddings", "responses"},
    "LangChain": {"responses"},
    "LiteLLM": {"responses"},
    "instructor": {"embeddings", "responses"},
    "LlamaIndex": {"responses"},
}


@pytest.mark.e2e
@pytest.mark.timeout(300)  # above TIMEOUT_S of running.py
@pytest.mark.parametrize("client", CLIENTS, ids=[client.script for client in CLIENTS])
async def test_results_are_those_of_the_provider(client: Client) -> None:
    compared = await compare(client)

    assert not compared.failed
    assert not compared.different
    missing = set(CASES) - set(compared.cases) - NOT_OFFERED.get(client.name, set())
    assert not missing, "a case of the table is not asked of this client"
    told = "is not what the table says; make it again as it says below"
    assert rows({client.name: compared})[-1] in read(DOCUMENT), f"{client.name} {compared.version} {told}"


def test_every_client_is_in_the_table() -> None:
    table = read(DOCUMENT)
    assert all(f"| {client.name} |" in table for client in CLIENTS)


def test_a_row_says_what_is_equal_different_and_not_asked() -> None:
    got = Compared("1.0", ("plain", "stream", "tools"), ("tools",), ("stream", "refusal"), "answered")
    cells = rows({"a client": got})[-1].split(" | ")
    assert cells[:6] == ["| a client", "1.0", "yes", "**no**", "**no**", "-"]
    assert cells[-1] == "**no** |"

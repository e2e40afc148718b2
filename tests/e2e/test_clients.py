"""Clients that people use, unmodified: at an outpost they get what they get at the provider.

Those that are not installed are skipped; ``docs/compatibility.md`` says how to run all of them.
"""

import pytest

from tests.architecture.compatibility_table import DOCUMENT, not_by
from tests.architecture.repository import read
from tests.e2e.clients.running import CLIENTS, Client, compare
from tests.fakes.upstream import Upstream


@pytest.mark.e2e
@pytest.mark.parametrize("client", CLIENTS, ids=[client.script for client in CLIENTS])
async def test_results_are_those_of_the_provider(upstream: Upstream, client: Client) -> None:
    compared = await compare(client, upstream)

    assert not compared.failed
    assert not compared.different


def test_every_client_and_case_is_in_the_table() -> None:
    table = read(DOCUMENT)
    assert all(f"| {client.name} |" in table for client in CLIENTS)
    assert not_by({"plain"}, "plain") == "yes"

"""Writes docs/compatibility.md from a run of all clients: ``python -m tests.architecture.compatibility_table``.

A client that is not installed keeps no row from an earlier run: install all of them first, as the document says.
"""

import asyncio
import sys
from collections.abc import Collection

import pytest

from tests.architecture.repository import ROOT
from tests.e2e.clients.running import CLIENTS, REFUSAL, Compared, compare

DOCUMENT = "docs/compatibility.md"
BEGIN, END = "<!-- clients: begin -->", "<!-- clients: end -->"
CASES = (
    "plain",
    "stream",
    "tools",
    "structured output",
    "image",
    "embeddings",
    "responses",
    "error",
    "timeout",
    "break off",
)


def not_by(cases: Collection[str], case: str, different: Collection[str] = ()) -> str:
    """A cell: equal, different, or not asked of this client."""
    if case not in cases:
        return "-"
    return "**no**" if case in different else "yes"


def rows(results: dict[str, Compared]) -> list[str]:
    """The table's lines."""
    head = f"| client | version | {' | '.join(CASES)} | policy refuses |"
    lines = [head, "| --- " * (len(CASES) + 3) + "|"]
    for name, got in results.items():
        wrong = {*got.different, *got.failed}
        cells = " | ".join(not_by(got.cases, case, wrong) for case in CASES)
        refusal = "**no**" if REFUSAL in wrong else f"`{got.refusal}`"
        lines.append(f"| {name} | {got.version} | {cells} | {refusal} |")
    return lines


async def _all() -> dict[str, Compared]:
    results: dict[str, Compared] = {}
    for client in CLIENTS:
        try:
            results[client.name] = await compare(client)
        except pytest.skip.Exception as skipped:
            sys.stderr.write(f"{skipped}\n")
    return results


def main() -> None:
    """Run the clients and rewrite the table."""
    results = asyncio.run(_all())
    path = ROOT / DOCUMENT
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text("\n".join([before + BEGIN, "", *rows(results), "", END]) + after)
    sys.stdout.write("\n".join(rows(results)) + "\n")


if __name__ == "__main__":
    main()

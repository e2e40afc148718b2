"""How long an audit event takes to be durable: one appender, then 32. ``python -m bench.audit_append [FOLDER]``.

Each append is fsynced before it returns (group commit); the folder must lie on the disk that is to be measured.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from outpost.audit.checkpoint import NoteSigner
from outpost.audit.event import AuditEvent, AuditFinding
from outpost.audit.log import AuditLog, open_log

ORIGIN = "outposts.example/org/bench/outpost/bench/audit"
ALONE = 5_000
APPENDERS = 32
EACH = 1_500


def _event(number: int) -> AuditEvent:
    finding = AuditFinding("pci.pan", 10, 26, 0.99, "card/luhn", 1)
    return AuditEvent(
        kind="decision", at=datetime.now(UTC), request_id=f"01234567-89ab-7def-8000-{number:012}", key_id="team-a",
        group="support", surface="openai_chat", model="gpt-4o-mini", provider="openai", direction="input",
        action="REDACT", rule_id="default/cards", findings=(finding, finding), input_bytes=1024, latency_ms=0.8,
    )  # fmt: skip


async def _append(log: AuditLog, count: int, taken_ms: list[float]) -> None:
    for number in range(count):
        value = _event(number)
        begin = time.perf_counter()
        await log.append(value)
        taken_ms.append((time.perf_counter() - begin) * 1e3)


def _percentiles(taken_ms: list[float]) -> str:
    ordered = sorted(taken_ms)
    return "  ".join(f"{name} {ordered[int(len(ordered) * part)]:.3f} ms" for name, part in
                     (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)))  # fmt: skip


async def main(folder: Path) -> None:
    log = open_log(folder / "audit.db", NoteSigner(ORIGIN, Ed25519PrivateKey.generate()), ORIGIN)
    await _append(log, 200, [])
    alone: list[float] = []
    await _append(log, ALONE, alone)
    print(f"1 appender:   {_percentiles(alone)}")
    together: list[float] = []
    begin = time.perf_counter()
    await asyncio.gather(*(_append(log, EACH, together) for _ in range(APPENDERS)))
    rate = APPENDERS * EACH / (time.perf_counter() - begin)
    print(f"{APPENDERS} appenders: {_percentiles(together)}  {rate:,.0f} events/s")
    log.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        uvloop.run(main(Path(name)))

"""Audit logs with real keys, and a control plane that countersigns what it can prove."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from outpost.audit.checkpoint import NoteSigner
from outpost.audit.event import AuditEvent, AuditFinding
from outpost.audit.log import open_log
from outpost.audit.receipt import check_batch, countersign
from outpost.audit.tree import Frontier

ORIGIN = "outposts.example/org/acme/outpost/berlin/audit"
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def signer(name=ORIGIN, seed=1):
    return NoteSigner(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


SIGNER = signer()
RECEIPTS = signer("outposts.example/receipts", seed=2)


def event(number=0, **changes):
    values = {
        "kind": "decision",
        "at": AT,
        "request_id": f"request-{number}",
        "surface": "openai_chat",
        "action": "BLOCK",
        "findings": (AuditFinding("pci.pan", 4, 20, 0.99, "card/luhn", 1),),
    }
    return AuditEvent(**{**values, **changes})


def open_test_log(path, **options):
    return open_log(path, SIGNER, ORIGIN, clock=lambda: AT, **options)


class Receiver:
    """The control plane's side: its frontier, and the events and gaps it has accepted."""

    def __init__(self):
        self.frontier = Frontier().to_bytes()
        self.events = []
        self.lost = []

    def receive(self, batch):
        self.frontier = check_batch(self.frontier, batch, SIGNER.verifier, ORIGIN)
        self.events += batch.events
        self.lost += [gap.seq for gap in batch.gaps]
        return countersign(batch.checkpoint, RECEIPTS)

    def drain(self, log, limit=500):
        batches = 0
        while (batch := log.pending(limit)) is not None:
            assert len(batch.events) <= limit
            log.acknowledge(self.receive(batch), RECEIPTS.verifier)
            batches += 1
        return batches


async def append(log, first, count):
    """``count`` events in one commit."""
    return await asyncio.gather(*(log.append(event(first + i)) for i in range(count)))


async def build_log(path):
    """25 events in commits of 10, 1 x 5 and 10."""
    log = open_test_log(path)
    await append(log, 0, 10)
    for number in range(10, 15):
        await append(log, number, 1)
    await append(log, 15, 10)
    log.close()


def change(path, *statements):
    """Tamper with the database: each statement is SQL and its parameters."""
    with closing(sqlite3.connect(path)) as connection:
        for statement, *parameters in statements:
            connection.execute(statement, parameters)
        connection.commit()

"""The tools that are measured: ours, and its peers as processes in an environment of their own (``make peers``).

Every tool gives for each text its findings, by our kinds where it has one that says the same, and the CPU time it took.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from bench.eval_metrics import Found
from bench.eval_sets import Sample
from outpost.dlp.engine import Engine, default_engine
from outpost.errors import CouldNotInspect

PEERS = Path(__file__).resolve().parent / "peers"
ENVIRONMENT = Path(__file__).resolve().parents[1] / "build" / "peers"
# Presidio's entity → our kind. What is not here keeps its name, below "presidio".
PRESIDIO_KINDS = {
    "CREDIT_CARD": "pci.pan",
    "IBAN_CODE": "fin.iban",
    "CRYPTO": "fin.crypto_wallet",
    "US_SSN": "pii.national_id.us",
    "EMAIL_ADDRESS": "pii.email",
    "PHONE_NUMBER": "pii.phone",
    "IP_ADDRESS": "pii.ip",
    "MAC_ADDRESS": "pii.mac",
    "US_DRIVER_LICENSE": "pii.driver_license",
    "US_PASSPORT": "pii.passport",
    "US_BANK_NUMBER": "fin.account",
    "US_ITIN": "pii.tax_id.us",
    "UK_NHS": "phi.nhs",
    "UK_NINO": "pii.national_id.gb",
    "MEDICAL_LICENSE": "phi.dea",
    "US_MBI": "phi.health_plan_id",
    "US_NPI": "phi.npi",
}


class Tool(Protocol):
    """Something that finds; ``kinds`` is what it looks for (empty: everything)."""

    name: str
    kinds: frozenset[str]

    def find(self, sample: Sample) -> tuple[list[Found], float]:
        """The findings of one text, and the CPU seconds they took."""


@dataclass(slots=True)
class Outpost:
    """Tier 1 as the proxy runs it: all detectors; what is not reported for its score is left out."""

    scan: Callable[[str], Sequence[Found]] = field(default_factory=lambda: accelerated().scan)
    name: str = "outpost"
    kinds: frozenset[str] = frozenset()
    # Texts that could not be inspected: the proxy would block them.
    refused: int = 0

    def find(self, sample: Sample) -> tuple[list[Found], float]:
        begin = time.process_time()
        try:
            found = self.scan(sample.text)
        except CouldNotInspect:
            found = []
            self.refused += 1
        return [Found(one.kind, one.start, one.end) for one in found], time.process_time() - begin


class Peer(AbstractContextManager["Peer"]):
    """A tool in a process of its own, asked text by text; ``kinds`` are ours by its own names."""

    def __init__(self, name: str, command: Sequence[str], kinds: Mapping[str, str]) -> None:
        self.name = name
        self.kinds = frozenset(kinds.values())
        self._command = [str(ENVIRONMENT / "bin" / "python"), str(PEERS / command[0]), *command[1:]]
        self._ours = kinds

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            # The script's folder would shadow the standard library's `secrets`.
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def find(self, sample: Sample) -> tuple[list[Found], float]:
        self._process.stdin.write(json.dumps({"text": sample.text, "name": sample.name}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended; its process says why: {' '.join(self._command)}")
        answer = json.loads(line)
        found = [
            Found(self._ours.get(kind, f"{self.name}.{kind.lower()}"), start, end)
            for kind, start, end in answer["found"]
        ]
        return found, answer["cpu_s"]


def accelerated() -> Engine:
    """The engine as a running outpost has it, after its start."""
    engine = default_engine()
    engine.accelerate()
    return engine


def presidio(min_score: float = 0.0) -> Peer:
    """Presidio; 0 is its default, which reports the weakest of its patterns too."""
    return Peer("presidio", ["presidio.py", str(min_score)], PRESIDIO_KINDS)


def detect_secrets() -> Peer:
    return Peer("detect-secrets", ["secrets.py"], {"secret": "secret"})


def installed() -> bool:
    """Whether the peers' environment was built."""
    return (ENVIRONMENT / ".installed").is_file()

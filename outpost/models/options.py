"""How models run: what the inference process is told at its birth. Imports nothing heavy, so that the proxy can."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from outpost.protocol.model_provider import Provider


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a graph runs.

    Attributes:
        provider: Where.
        threads: Of one run, on the CPU.
        gpu_memory_bytes: Most that the arena on a GPU may take; None for no limit.
    """

    provider: Provider = Provider.AUTO
    threads: int = 1
    gpu_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which pack is to answer.

    Attributes:
        folder: Where it lies.
        digest: What it must be (a bundle's); None for whatever lies there, also when that changes.
    """

    folder: Path
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the process is told at its birth; see the outpost's settings ``models_*``.

    Attributes:
        sockets: File descriptors of connected stream sockets.
        pack: Folder of the pack.
        memory_bytes: Most private memory, 0 for no limit.
        runners: Batches that run at once.
    """

    sockets: tuple[int, ...]
    pack: str
    provider: Provider = Provider.AUTO
    runners: int = 1
    threads: int = 1
    memory_bytes: int = 0
    waiting_tokens: int = 262_144
    batch_windows: int = 0
    """0: one on a CPU, many on a GPU."""

    def to_json(self) -> str:
        """For the command line of the process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "WorkerSettings":
        """What ``to_json`` wrote."""
        values = json.loads(text)
        return cls(**{**values, "sockets": tuple(values["sockets"]), "provider": Provider(values["provider"])})

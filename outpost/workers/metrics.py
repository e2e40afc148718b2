"""Metrics of many processes as those of one: snapshots are added up, and what a worker counted outlives it.

A sum that falls because a worker is gone would look like a restart to Prometheus and be counted anew, so the counters
of a worker that has ended stay in the sum; its gauges do not.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_LASTING: Final = frozenset({"counter", "histogram", "summary"})
_CREATED: Final = "_created"

Snapshot = list[dict[str, Any]]
"""As JSON: families with ``name``, ``help``, ``type`` and ``samples`` of name, labels and value."""


def snapshot(registry: CollectorRegistry) -> Snapshot:
    """What ``registry`` counts now."""
    return [
        {
            "name": family.name,
            "help": family.documentation,
            "type": family.type,
            "samples": [[sample.name, sample.labels, sample.value] for sample in family.samples],
        }
        for family in registry.collect()
    ]


def merged(snapshots: Iterable[Snapshot]) -> list[Metric]:
    """The sum of all snapshots; the earliest of what says when counting began."""
    families: dict[str, tuple[str, str, dict[tuple[str, tuple[tuple[str, str], ...]], float]]] = {}
    for one in snapshots:
        for family in one:
            _, _, values = families.setdefault(family["name"], (family["help"], family["type"], {}))
            for name, labels, value in family["samples"]:
                key = (name, tuple(labels.items()))
                if key not in values:
                    values[key] = value
                elif name.endswith(_CREATED):
                    values[key] = min(values[key], value)
                else:
                    values[key] += value
    return [_metric(name, *family) for name, family in families.items()]


class Gathered(Collector):
    """The workers' metrics in a registry of the parent."""

    def __init__(self) -> None:
        self._living: dict[object, Snapshot] = {}
        self._ended: Snapshot = []

    def update(self, worker: object, taken: Snapshot) -> None:
        """The newest of a living worker."""
        self._living[worker] = taken

    def ended(self, worker: object) -> None:
        """Keep what it counted, without its gauges."""
        last = self._living.pop(worker, [])
        kept = merged([self._ended, [family for family in last if family["type"] in _LASTING]])
        self._ended = [_family(metric) for metric in kept]

    def collect(self) -> Iterator[Metric]:
        """Of ``Collector``."""
        yield from merged([self._ended, *self._living.values()])

    def describe(self) -> list[Metric]:
        """Of ``Collector``: nothing is known beforehand."""
        return []


def _family(metric: Metric) -> dict[str, Any]:
    samples = [[sample.name, sample.labels, sample.value] for sample in metric.samples]
    return {"name": metric.name, "help": metric.documentation, "type": metric.type, "samples": samples}


def _metric(name: str, text: str, kind: str, values: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]) -> Metric:
    metric = Metric(name, text, kind)
    for (sample, labels), value in values.items():
        metric.add_sample(sample, dict(labels), value)
    return metric

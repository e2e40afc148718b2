"""Inspects many files, in this process or several, and gives the results in the order of the files.

A worker compiles its own engine from the documents it is given as bytes. Processes start clean (``forkserver``): a
fork of a process with threads may hold their locks forever.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from outpost.models.options import SessionOptions
from outpost.models.tiers import Looker
from outpost.policy.compile import NO_LISTS, Lists, compile_engine
from outpost.policy.evaluate import CompiledPolicy, Facts, compile_policy
from outpost.policy.model_rules import ModelRules, model_rules
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.document_set import NO_DETECTORS
from outpost.protocol.documents import DETECTORS_TARGET, POLICY_TARGET, PolicyDocument, parse_document
from outpost.scan.inspect import Task, inspect_path
from outpost.scan.results import Problem, Result, Unscannable
from outpost.scan.select import Selection
from outpost.scan.walk import Found

# A process costs about half a second to start; below this one is faster (measured on Python source: 4 MB/s of CPU).
WORTH_PROCESSES_BYTES: Final = 8 * 1024**2
MAX_DEFAULT_JOBS: Final = 8
_AHEAD: Final = 8  # tasks per process that wait, so that none is idle and results do not pile up
_BATCH_FILES: Final = 16
_BATCH_BYTES: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Plan:
    """A task before it is compiled, as it goes to other processes."""

    selection: Selection = field(default_factory=Selection)
    policy: bytes | None = None
    detectors: bytes | None = None
    facts: Facts | None = None
    show: bool = False
    explain: bool = False
    models: Path | None = None
    """Folder of a model pack."""
    lists: Lists = NO_LISTS

    def compile(self) -> Task:
        """The task.

        Raises:
            DocumentError: A document is malformed.
            BundleRejected: The detectors do not compile.
            PackInvalid: The model pack is not what it should be.
            ModelUnavailable: It does not run here.
        """
        detectors = NO_DETECTORS
        if self.detectors is not None:
            detectors = parse_document(DetectorsDocument, DETECTORS_TARGET, self.detectors)
        policy: CompiledPolicy | None = None
        if self.policy is not None:
            policy = compile_policy(parse_document(PolicyDocument, POLICY_TARGET, self.policy))
        # Values that are allowed by digest are found here, unless the digest's key was given: it is secret.
        engine = compile_engine(detectors, {}, self.lists)
        rules = model_rules(detectors, {})
        looker = None if self.models is None else _looker(self.models, rules)
        return Task(engine, self.selection, policy, self.facts, self.show, self.explain, looker, rules)


def _looker(folder: Path, rules: ModelRules) -> Looker:
    from outpost.models.runners import looker  # noqa: PLC0415 - half a second that a scan without models need not wait

    return looker(folder, SessionOptions(), rules.topics)


def default_jobs(total_bytes: int) -> int:
    """How many processes are worth starting."""
    if total_bytes < WORTH_PROCESSES_BYTES:
        return 1
    return min(len(os.sched_getaffinity(0)), MAX_DEFAULT_JOBS)


def inspect_all(plan: Plan, task: Task, files: Iterable[Found], jobs: int) -> Iterator[Result]:
    """One result for each of ``files``, in order; ``task`` is ``plan`` compiled."""
    files = list(files)
    # Changing over to the faster prefilter takes half a second of CPU, which so much text gives back.
    accelerates = sum(found.size_bytes for found in files) >= jobs * WORTH_PROCESSES_BYTES
    if jobs <= 1:
        if accelerates:
            task.engine.accelerate()
        for found in files:
            yield inspect_path(task, found.path, str(found.path))
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(plan, accelerates)) as pool:
        waiting: deque[tuple[list[Found], Future[list[Result]]]] = deque()
        batches = _batches(files)
        for batch in islice(batches, jobs * _AHEAD):
            waiting.append((batch, pool.submit(_work, [found.path for found in batch])))
        while waiting:
            batch, future = waiting.popleft()
            try:
                yield from future.result()
            except BrokenProcessPool:
                yield from (_lost(found) for found in batch)
                yield from (_lost(found) for rest, _ in waiting for found in rest)
                yield from (_lost(found) for rest in batches for found in rest)
                return
            for more in islice(batches, 1):
                waiting.append((more, pool.submit(_work, [found.path for found in more])))


def _batches(files: Iterable[Found]) -> Iterator[list[Found]]:
    batch: list[Found] = []
    size_bytes = 0
    for found in files:
        batch.append(found)
        size_bytes += found.size_bytes
        if len(batch) >= _BATCH_FILES or size_bytes >= _BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _lost(found: Found) -> Result:
    problem = Problem(str(found.path), Unscannable.UNREADABLE, "the process that inspected it has died")
    return Result(problems=(problem,), size_bytes=found.size_bytes)


_task: Task | None = None


def _start(plan: Plan, accelerates: bool) -> None:  # noqa: FBT001 - the pool passes it by position
    global _task  # noqa: PLW0603 - one process, one task
    _task = plan.compile()
    if accelerates:
        _task.engine.accelerate()


def _work(paths: list[Path]) -> list[Result]:
    if _task is None:
        raise RuntimeError("the process was not started")
    return [inspect_path(_task, path, str(path)) for path in paths]

"""How many processors this process may really use: the least of affinity and the cgroup's CPU quota.

Threads beyond the quota make a container slower: the kernel stops all of them for the rest of each period (kernel
documentation, scheduler/sched-bwc). Version 2 of cgroups and version 1, from this process's own group up to the root.
"""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_ROOT: Final = PurePosixPath("/sys/fs/cgroup")

ReadText = Callable[[str], str]
"""The content of a file; empty if there is none."""


def usable_processors() -> int:
    """At least one."""
    return within(len(os.sched_getaffinity(0)), _read)


def within(affinity: int, read: ReadText) -> int:
    """The least of ``affinity`` and every quota that ``read`` finds, rounded up, at least one."""
    quotas = [quota for quota in _quotas(read) if quota > 0]
    return max(1, min([affinity, *(math.ceil(quota) for quota in quotas)]))


def _quotas(read: ReadText) -> Iterator[float]:
    for line in read("/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        group = PurePosixPath(path or "/")
        # Inside a container the path may be the host's; the mount then shows the container's group as its root.
        for above in (group, *group.parents):
            inner = above.as_posix().lstrip("/")
            if not controllers:
                yield _ratio(*read(str(_ROOT / inner / "cpu.max")).split()[:2])
            elif "cpu" in controllers.split(","):
                base = _ROOT / "cpu" / inner
                yield _ratio(read(str(base / "cpu.cfs_quota_us")), read(str(base / "cpu.cfs_period_us")))


def _ratio(quota: str = "", period: str = "") -> float:
    try:
        return int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return 0.0


def _read(path: str) -> str:
    try:
        return Path(path).read_text("ascii", "replace")
    except OSError:
        return ""

import pytest

from outpost.models.quota import usable_processors, within

V2 = {"/proc/self/cgroup": "0::/pod/box\n"}
V1 = {"/proc/self/cgroup": "4:cpuset:/\n3:cpu,cpuacct:/docker/ab\n0::/\n"}


def count(files, affinity=8):
    return within(affinity, lambda path: files.get(path, ""))


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({}, 8),
        (V2 | {"/sys/fs/cgroup/pod/box/cpu.max": "200000 100000\n"}, 2),
        (V2 | {"/sys/fs/cgroup/pod/box/cpu.max": "150000 100000"}, 2),
        (V2 | {"/sys/fs/cgroup/pod/box/cpu.max": "max 100000", "/sys/fs/cgroup/pod/cpu.max": "50000 100000"}, 1),
        (V2 | {"/sys/fs/cgroup/cpu.max": "300000 100000"}, 3),
        (V2 | {"/sys/fs/cgroup/pod/box/cpu.max": "9900000 100000"}, 8),
        (
            V1
            | {
                "/sys/fs/cgroup/cpu/docker/ab/cpu.cfs_quota_us": "400000\n",
                "/sys/fs/cgroup/cpu/docker/ab/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (V1 | {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 8),
        (V2 | {"/sys/fs/cgroup/cpu.max": "nonsense"}, 8),
        (V2 | {"/sys/fs/cgroup/cpu.max": "100000 0"}, 8),
        ({"/proc/self/cgroup": "what\n::\n"}, 8),
    ],
)
def test_the_least_limit_counts(files, processors):
    assert count(files) == processors


def test_there_is_at_least_one():
    assert count({}, affinity=0) == 1
    assert usable_processors() >= 1

import os
import time
from pathlib import Path

from outpost.workers.orphans import Orphans


def test_a_dead_child_that_nobody_waits_for_is_buried_at_the_second_look():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    orphans = Orphans()
    buried = [orphans.bury()]
    for _ in range(100):
        time.sleep(0.01)
        buried.append(orphans.bury())
        if sum(buried):
            break
    assert buried[0] == 0
    assert sum(buried) == 1
    assert not Path(f"/proc/{pid}").exists()


def test_the_living_and_what_cannot_be_read_are_left_alone(tmp_path):
    (tmp_path / "self").mkdir()
    for name, content in {"7": b"7 (a) b) S 1 1", "8": b"", "9": b"9 (x) Z"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "stat").write_bytes(content)
    (tmp_path / "10").mkdir()
    orphans = Orphans(tmp_path)
    assert [orphans.bury(), orphans.bury()] == [0, 0]

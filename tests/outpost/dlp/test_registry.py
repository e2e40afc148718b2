import re

import pytest

from outpost.dlp.detector import REPORT_SCORE
from outpost.dlp.registry import ALL


def test_names_are_unique():
    names = [detector.name for detector in ALL]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("detector", ALL, ids=lambda detector: detector.name)
def test_each_detector_can_report_and_names_its_kind_by_the_taxonomy(detector):
    assert re.fullmatch(r"(pii|phi|pci|fin|secret|code)(\.[a-z0-9_]+){1,2}|credential_leak", detector.kind)
    assert max(detector.base_score, detector.context_score) >= REPORT_SCORE
    assert 0 < detector.base_score < 1
    assert detector.context_score < 1
    assert bool(detector.context_words) == bool(detector.context_score)
    assert detector.validate is None or detector.find is None

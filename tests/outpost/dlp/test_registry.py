import re

import pytest

from outpost.dlp.detector import REPORT_SCORE
from outpost.dlp.identifiers import detectors_of
from outpost.dlp.registry import ALL, IDENTIFIERS
from outpost.dlp.taxonomy import KINDS, Source, documentation
from tests.outpost.dlp.detectors.cases import CASES


def test_names_are_unique():
    names = [detector.name for detector in ALL]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("detector", ALL, ids=lambda detector: detector.name)
def test_each_detector_can_report_and_names_its_kind_by_the_taxonomy(detector):
    assert re.fullmatch(r"(pii|phi|pci|fin|secret|code)(\.[a-z0-9_]+){1,2}|credential_leak", detector.kind)
    assert documentation(detector.kind), "say in outpost/dlp/taxonomy.py what it is"
    assert max(detector.base_score, detector.context_score) >= REPORT_SCORE
    assert 0 < detector.base_score < 1
    assert detector.context_score < 1
    assert bool(detector.context_words) == bool(detector.context_score)
    assert detector.validate is None or detector.find is None


def test_every_kind_that_detectors_are_to_report_has_one():
    reported = {detector.kind for detector in ALL}
    for kind in KINDS:
        members = [name for name in reported if documentation(name) == kind]
        assert bool(members) == (kind.source is Source.DETECTOR), kind.name


def test_every_detector_has_positives_and_near_misses():
    """Credentials have tables of their own; official numbers are checked row by row in each table's test file."""
    rows = {detector.name for detector in detectors_of(IDENTIFIERS)}
    others = {detector.name for detector in ALL if not detector.kind.startswith(("secret.", "credential_leak"))} - rows
    assert others == set(CASES)
    assert all(positives and near_misses for positives, near_misses in CASES.values())

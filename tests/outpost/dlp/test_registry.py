# ruff: noqa: E501 - lists of names

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


def test_as_many_identifiers_and_formats_as_promised():
    """60 national identifiers, 60 numbers of persons checked by python-stdnum, and 250 formats of secrets."""
    national = {d.kind for d in ALL if d.kind.startswith("pii.national_id.")}
    checked = [i for i in IDENTIFIERS if i.check == "stdnum" and i.kind.startswith(("pii.national_id.", "pii.tax_id."))]
    assert len(national) >= 60
    assert len(checked) >= 60
    assert len({d.kind for d in ALL if d.kind.startswith("secret.")}) >= 250


def test_the_kinds_that_policies_may_count_on_are_reported():
    kinds = {detector.kind for detector in ALL}
    assert kinds >= {
        "pii.email", "pii.phone", "pii.address.street", "pii.address.postcode", "pii.dob", "pii.passport", "pii.driver_license",
        "pii.ip", "pii.mac", "pii.url_personal", "pii.username", "pii.vehicle_vin", "pii.national_id.gb", "pii.national_id.hk",
        "pii.tax_id.us", "phi.mrn", "phi.health_plan_id", "phi.npi", "phi.dea", "phi.nhs", "pci.pan", "pci.cvv", "pci.expiry",
        "pci.track", "fin.iban", "fin.bic", "fin.aba", "fin.account", "fin.crypto_wallet", "secret.private_key", "secret.jwt",
        "secret.password", "secret.connection_string", "secret.generic", "credential_leak",
    }  # fmt: skip
    assert all(documentation(kind) for kind in ("code.python", "unscannable.image", "pii.person"))

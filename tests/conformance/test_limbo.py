"""All of x509-limbo through our path validation: nothing it rejects is accepted, and what we refuse beyond it is listed
in limbo_deviations.toml with its reason.
"""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pki.conformance import FAILURE, SUCCESS, public_suffixes, run_file
from tests.shared_data import require

NOW = datetime(2026, 1, 15, tzinfo=UTC)
DEVIATIONS = tomllib.loads((Path(__file__).parent / "limbo_deviations.toml").read_text("utf-8"))

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # cryptography's, on certificates that are odd on purpose
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]


def _verdicts():
    file = require("conf-x509-limbo") / "limbo.json"
    return {verdict.id: verdict for verdict in run_file(file, NOW, public_suffixes())}


def test_nothing_that_the_suite_rejects_is_accepted():
    verdicts = _verdicts()
    assert len(verdicts) == 208
    assert [verdict.id for verdict in verdicts.values() if verdict.is_unsafe] == []
    assert {verdict.actual for verdict in verdicts.values()} == {SUCCESS, FAILURE}


def test_what_we_refuse_beyond_the_suite_is_listed_with_its_reason_and_nothing_else_is():
    stricter = {
        verdict.id for verdict in _verdicts().values() if (verdict.expected, verdict.actual) == (SUCCESS, FAILURE)
    }
    assert stricter == set(DEVIATIONS)
    assert all(len(reason) > 40 for reason in DEVIATIONS.values())

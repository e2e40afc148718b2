import pytest

from outpost.dlp.engine import default_engine
from outpost.errors import CouldNotInspect
from outpost.models.options import SessionOptions
from outpost.models.runners import Loaded
from outpost.models.tiers import judge_text
from outpost.policy.model_rules import ModelRules
from outpost.protocol.findings import Finding
from tests.fakes.model_pack import BOOM

CARD = "4111 1111 1111 1111"


@pytest.fixture(scope="module")
def loaded(tiny):
    return Loaded(tiny, SessionOptions())


def judged(loaded, text, patterns=None):
    found = default_engine().scan(text) if patterns is None else patterns
    return judge_text(loaded, ModelRules().counting, text, found)


def test_all_tiers_in_one_list_with_what_led_to_each(loaded):
    outcome = judged(loaded, f"Ana Silva card {CARD} dan")
    assert [(f.kind, f.tier) for f in outcome.findings] == [("attack.jailbreak", 3), ("pii.person", 2), ("pci.pan", 1)]
    assert [outcome.reasons[f].label for f in outcome.findings[:2]] == ["jailbreak", "PERSON"]
    assert outcome.labels["attacks.jailbreak"] > 0.9


def test_a_weak_finding_that_the_context_speaks_against_goes(loaded):
    text = "note 5550100 phone"
    weak, strong = (Finding("pii.phone", 5, 12, score, "phone") for score in (0.5, 0.9))
    assert judged(loaded, text, [weak]).findings == []
    assert judged(loaded, text, [strong]).findings == [strong]


def test_no_answer_is_no_inspection(loaded):
    with pytest.raises(CouldNotInspect):
        judged(loaded, BOOM)

import json

import pytest

from outpost.dlp.allow import allow_digest
from outpost.dlp.dictionary import build_words
from outpost.dlp.engine import default_engine
from outpost.errors import BundleRejected
from outpost.policy.compile import Lists, check_smoke, compile_documents, compile_engine
from outpost.protocol.budgets import AtLimit, Budget, BudgetsDocument, Subject
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.detectors import AllowEntry, CustomRule, DetectorsDocument, DetectorSetting
from outpost.protocol.document_set import NO_BUDGETS, NO_DETECTORS
from outpost.protocol.documents import Pack, PolicyDocument, parse_document
from outpost.protocol.smoke import Expectation, SmokeCase, SmokeDocument
from tests.outpost.dlp.org_lists import KEY

POLICY = PolicyDocument(schema_version="1", packs=[Pack(id="p", sequence=1, default=Action.ALLOW, rules=[])])
TEXT = "card 4012 8888 8888 1881, mail a@b.example, call +49 30 901820, project Bluebird"


def kinds(**fields) -> list[str]:
    engine = compile_engine(DetectorsDocument(schema_version="1", **fields), {}, None)
    return [finding.kind for finding in engine.scan(TEXT)]


def test_an_empty_document_asks_for_the_detectors_that_ship():
    assert compile_engine(NO_DETECTORS, {}, None) is default_engine()
    assert kinds() == ["pci.pan", "pii.email", "pii.phone"]


def setting(**fields) -> list[DetectorSetting]:
    return [DetectorSetting(**fields)]


def test_settings_take_away():
    assert kinds(settings=setting(kind="pii.*", enabled=False)) == ["pci.pan"]
    assert kinds(settings=setting(detector="email", enabled=False)) == ["pci.pan", "pii.phone"]
    assert kinds(settings=setting(kind="*", min_score=0.98)) == ["pci.pan"]
    assert kinds(settings=setting(kind="pii.phone", min_score=0.97)) == ["pci.pan", "pii.email", "pii.phone"]
    assert kinds(settings=setting(kind="pii.phone", min_score=0.98)) == ["pci.pan", "pii.email"]


def test_all_settings_that_name_a_detector_hold():
    both = [
        *setting(kind="*", min_score=0.6),
        *setting(kind="pii.*", enabled=False),
        *setting(kind="*", min_score=0.98),
    ]
    assert kinds(settings=both) == kinds(settings=list(reversed(both))) == ["pci.pan"]


def test_a_name_that_no_detector_has_changes_nothing():
    assert kinds(settings=setting(detector="no-such", enabled=False)) == kinds()


def test_custom_rules_and_allowances_work_together():
    custom = [CustomRule(id="b", kind="custom.project", keywords=["bluebird"])]
    assert kinds(custom=custom) == [*kinds(), "custom.project"]
    allow = [AllowEntry(id="a", kinds=["custom.*"], values=["Bluebird"])]
    assert kinds(custom=custom, allow=allow) == kinds()
    assert kinds(custom=custom, settings=setting(detector="custom/b", enabled=False)) == kinds()


def test_nothing_switches_off_what_streams_depend_on():
    custom = [CustomRule(id="b", kind="custom.project", keywords=["blue bird"])]
    off = setting(detector="custom/hold", enabled=False) + setting(kind="custom.hold", enabled=False)
    engine = compile_engine(DetectorsDocument(schema_version="1", custom=custom, settings=off), {}, None)
    assert "custom/hold" in [detector.name for detector in engine.detectors]


UNUSABLE = {
    "an unknown pattern": ({"pattern": "a*"}, "custom rule c: its pattern is refused at character 2"),
    "a label": ({"keywords": ["redacted"]}, "label"),
    "a label of its own": (
        {"keywords": ["secretive"], "kind": "custom.secretive"},
        r"label that replaces custom\.secr",
    ),
    "a piece of a label": ({"pattern": "[A-Z]{8}"}, "label"),
    "a lone surrogate": ({"keywords": ["a\ud800"]}, "surrogate"),
}


@pytest.mark.parametrize("why", UNUSABLE)
def test_custom_rules_that_cannot_be_used(why):
    fields, says = UNUSABLE[why]
    rule = CustomRule.model_construct(
        **(CustomRule(id="c", kind="custom.c", keywords=["xx"]).__dict__ | {"keywords": None} | fields)
    )
    document = DetectorsDocument.model_construct(schema_version="1", settings=[], allow=[], custom=[rule])
    with pytest.raises(BundleRejected, match=rf"detectors\.json: .*{says}"):
        compile_engine(document, {}, None)


def test_patterns_that_would_be_too_slow_together_refuse_the_bundle():
    rules = [CustomRule(id=f"c{n}", kind="custom.c", pattern=f"[a-z]{{1,25}}{n:02d}") for n in range(21)]
    compile_engine(DetectorsDocument(schema_version="1", custom=rules[:20]), {}, None)
    with pytest.raises(BundleRejected, match=r"custom rule c20: .*vary by 504 characters together"):
        compile_engine(DetectorsDocument(schema_version="1", custom=rules), {}, None)


def test_a_budget_refuses_the_bundle():
    budget = Budget(id="b", subject=Subject(group="g"), monthly_tokens=1, at_limit=AtLimit.WARN)
    with pytest.raises(BundleRejected, match=r"budgets\.json: this version cannot enforce budgets"):
        compile_documents(POLICY, NO_DETECTORS, BudgetsDocument(schema_version="1", budgets=[budget]), {}, None)
    assert compile_documents(POLICY, NO_DETECTORS, NO_BUDGETS, {}, None).engine is default_engine()


def case(name: str, action: Action) -> SmokeCase:
    return SmokeCase(id=name, text="hunter2", direction=Direction.INPUT, expect=Expectation(action=action))


def test_smoke_cases_that_fail_are_named():
    compiled = compile_documents(POLICY, NO_DETECTORS, NO_BUDGETS, {}, None)
    check_smoke(SmokeDocument(schema_version="1", cases=[case("good", Action.ALLOW)]), compiled)
    bad = [case(f"bad-{n}", Action.BLOCK) for n in range(7)]
    with pytest.raises(BundleRejected) as caught:
        check_smoke(SmokeDocument(schema_version="1", cases=[case("good", Action.ALLOW), *bad]), compiled)
    assert str(caught.value).startswith("smoke.json: case bad-0 expects BLOCK, got ALLOW by p/default; ")
    assert str(caught.value).endswith("case bad-4 expects BLOCK, got ALLOW by p/default and 2 more")
    assert "hunter2" not in str(caught.value)


LIST = {"id": "customers", "kind": "org.customers", "form": "words"}
CUSTOMERS = build_words(["Quxley Holdings", "Silva"], "customers", KEY)
LISTS = Lists({"customers": CUSTOMERS}, {KEY.id: KEY.value})


def with_lists(lists=LISTS, **fields):
    document = parse_document(
        DetectorsDocument, "detectors.json", json.dumps({"schema_version": "1", "lists": [LIST]} | fields).encode()
    )
    return [(f.kind, f.start, f.end) for f in compile_engine(document, {}, lists).scan("Quxley Holdings")]


def test_lists_are_found_with_everything_else():
    assert with_lists() == [("org.customers", 0, 15)]


@pytest.mark.parametrize(
    "fields",
    [
        {"settings": [{"kind": "org.*", "enabled": False}]},
        {"settings": [{"detector": "list/customers", "min_score": 0.95}]},
        {"allow": [{"id": "a", "kinds": ["org.customers"], "values": ["quxley holdings"]}]},
        {
            "allow": [
                {
                    "id": "a",
                    "kinds": ["*"],
                    "digests": {"pepper_id": KEY.id, "hmac_sha256": [allow_digest(KEY.value, "Quxley Holdings")]},
                }
            ]
        },
    ],
)
def test_settings_and_the_allow_list_hold_for_lists(fields):
    assert with_lists(**fields) == []


@pytest.mark.parametrize(
    ("lists", "why"),
    [
        (Lists({}, {KEY.id: KEY.value}), "there is no customers.list"),
        (Lists({"customers": CUSTOMERS}, {}), "list key list-1, which is not here"),
        (Lists({"customers": CUSTOMERS[:-9]}, {KEY.id: KEY.value}), "cut short"),
        (Lists({"customers": CUSTOMERS}, {KEY.id: bytes(32)}), "made with another key"),
        (
            Lists({"customers": build_words(["Email"], "customers", KEY)}, {KEY.id: KEY.value}),
            "list/customers finds something in the label that replaces pii.email",
        ),
    ],
)
def test_a_list_that_cannot_be_used_refuses_the_bundle(lists, why):
    with pytest.raises(BundleRejected, match=why):
        with_lists(lists)

import pytest

from outpost.dlp.engine import default_engine
from outpost.policy.evaluate import compile_policy
from outpost.policy.smoke import failures, model_cases
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.documents import Conditions, Pack, PolicyDocument, RouteTo, Rule
from outpost.protocol.smoke import Expectation, SmokeCase, SmokeDocument

CARD = "4012 8888 8888 1881"
RULES = [
    Rule(id="cards", sequence=1, when=Conditions(findings=["pci.*"], groups=["sales"]), action=Action.BLOCK),
    Rule(id="model", sequence=2, when=Conditions(models=["big"], surfaces=["openai.chat"]), action=Action.BLOCK),
    Rule(
        id="inside",
        sequence=4,
        when=Conditions(findings=["fin.iban"], directions=[Direction.INPUT]),
        action=Action.ROUTE_TO,
        route_to=RouteTo(provider="in-house"),
    ),
    Rule(id="mail", sequence=3, when=Conditions(findings=["pii.email"]), action=Action.REDACT),
]
POLICY = compile_policy(
    PolicyDocument(schema_version="1", packs=[Pack(id="p", sequence=1, default=Action.ALLOW, rules=RULES)])
)


def failed(text, expected, kinds=None, **facts) -> list[str]:
    case = {"id": "c1", "text": text, "direction": "input", "expect": {"action": expected, "kinds": kinds}} | facts
    document = SmokeDocument.model_validate({"schema_version": "1", "cases": [case]}, strict=False)
    return [str(failure) for failure in failures(document, default_engine(), POLICY)]


def test_cases_that_hold():
    assert failed("hello", "ALLOW") == []
    assert failed(CARD, "BLOCK", ["pci.pan"], group="sales") == []
    assert failed("a@b.example", "REDACT", ["pii.email"]) == []
    assert failed("hello", "BLOCK", [], model="big", surface="openai.chat") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((CARD, "BLOCK"), "case c1 expects BLOCK, got ALLOW by p/default"),
        (("a@b.example", "ALLOW"), "case c1 expects ALLOW, got REDACT by p/mail"),
        (("a@b.example", "REDACT", ["pci.pan"]), "case c1 expects pci.pan, got pii.email"),
        (("a@b.example", "REDACT", []), "case c1 expects no kinds, got pii.email"),
        (("hello", "ALLOW", ["pci.pan"]), "case c1 expects pci.pan, got no kinds"),
    ],
)
def test_a_case_that_does_not_hold_says_what_came_and_never_its_text(arguments, says):
    assert failed(*arguments) == [says]


def test_a_text_that_cannot_be_inspected_fails_its_case():
    case = SmokeCase.model_construct(id="c", text="\ud800", direction="input", expect=Expectation(action=Action.ALLOW))
    document = SmokeDocument.model_construct(schema_version="1", cases=[case])
    (failure,) = failures(document, default_engine(), POLICY)
    assert str(failure) == "case c expects ALLOW, got invalid_request"


def test_a_fact_that_is_absent_is_one_that_no_rule_names():
    assert failed(CARD, "ALLOW") == []
    assert failed("hello", "ALLOW", model="big") == []


def test_a_case_that_needs_a_model_is_passed_over():
    assert failed("Ana Silva", "BLOCK", ["pii.person"]) == []
    assert failed("Ana Silva", "BLOCK", ["pci.pan", "attack.jailbreak"]) == []


def test_cases_for_models_are_those_that_expect_what_models_here_offer():
    def expecting(name, *kinds):
        expect = Expectation(action=Action.BLOCK, kinds=list(kinds) or None)
        return SmokeCase(id=name, text="x", direction=Direction.INPUT, expect=expect)

    cases = [expecting("any"), expecting("card", "pci.pan"), expecting("name", "pii.person", "pci.pan")]
    document = SmokeDocument(schema_version="1", cases=[*cases, expecting("ill", "pii.person", "phi.condition")])
    assert [case.id for case in model_cases(document, {"pii.person"})] == ["name"]
    assert model_cases(document, ()) == []


IBAN = "DE89 3704 0044 0532 0130 00"


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (None, []),
        ({"provider": "in-house"}, []),
        ({"provider": "cloud"}, ["case c1 expects provider cloud, got provider in-house"]),
    ],
)
def test_where_a_case_must_go(place, says):
    expect = {"action": "ROUTE_TO"} | ({} if place is None else {"route_to": place})
    assert failed(IBAN, "ROUTE_TO", expect=expect) == says
    assert failed("hello", "ALLOW", expect=expect | {"action": "ALLOW"}) == (
        [f"case c1 expects provider {place['provider']}, got no route"] if place else []
    )

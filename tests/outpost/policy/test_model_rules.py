import pytest

from outpost.errors import BundleRejected
from outpost.policy.compile import NO_LISTS, compile_documents
from outpost.policy.evaluate import Facts, compile_policy
from outpost.policy.model_rules import demanded, kinds_wanted, missing_for, model_rules, models_wanted, require_offered
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.detectors import AllowEntry, DetectorsDocument, DetectorSetting, TopicRule
from outpost.protocol.document_set import NO_BUDGETS
from outpost.protocol.documents import Conditions, Pack, PolicyDocument, Rule
from outpost.protocol.findings import Finding, Tier

OFFERED = {"pii.person", "pii.username", "attack.jailbreak"}
INPUT, OUTPUT = (Facts("s", "m", "g", direction) for direction in Direction)
TEXT = "Ana Silva [REDACTED:pii.person] [REDACTED:bob_smith] [REDACTED:custom.x]"


def policy(*findings, directions=None):
    rules = [
        Rule(id=f"r{n}", sequence=n, when=Conditions(findings=f, directions=directions), action=Action.BLOCK)
        for n, f in enumerate(findings)
    ]
    return PolicyDocument(schema_version="1", packs=[Pack(id="p", sequence=1, default=Action.ALLOW, rules=rules)])


def found(start, end, kind="pii.person", score=0.8):
    return Finding(kind, start, end, score, "tiny/entities", Tier.ENTITY_MODEL)


def counting(*findings, peppers=None, **fields):
    rules = model_rules(DetectorsDocument(schema_version="1", **fields), peppers or {})
    return [f in rules.counting(TEXT, findings) for f in findings]


@pytest.mark.parametrize(
    ("findings", "kinds"),
    [
        (["*"], []),
        (["pii.*", "pci.*"], []),
        (["pii.username", "secret.password"], []),
        (["pii.person", "pii.email"], ["pii.person"]),
        (["attack.*"], ["attack.*"]),
        (["code.python"], ["code.python"]),
        (["pii.national_id.*"], []),
        (["no_such.kind", "custom.x"], []),
    ],
)
def test_a_rule_demands_what_only_a_model_finds(findings, kinds):
    assert demanded(compile_policy(policy(findings))) == set(kinds)


def test_what_is_demanded_and_not_offered_refuses_the_policy():
    require_offered(compile_policy(policy(["pii.person", "attack.*"])), OFFERED)
    require_offered(compile_policy(policy(["pii.*"])), ())
    for kind in ("phi.condition", "confidential.*", "pii.age"):
        with pytest.raises(BundleRejected, match="only a model finds"):
            require_offered(compile_policy(policy([kind])), OFFERED)


def test_models_are_asked_where_it_could_matter():
    assert models_wanted(compile_policy(policy(["pii.*"])), INPUT, OFFERED)
    assert not models_wanted(compile_policy(policy(["pci.*"])), INPUT, OFFERED)
    assert kinds_wanted(compile_policy(policy(["pii.*"])), INPUT, [*OFFERED, "x.y"]) == {
        kind for kind in OFFERED if kind.startswith("pii.")
    }
    assert not models_wanted(compile_policy(policy(["pii.*"])), INPUT, ())
    one_way = compile_policy(policy(["pii.person", "phi.condition"], directions=[Direction.INPUT]))
    assert models_wanted(one_way, INPUT, OFFERED)
    assert not models_wanted(one_way, OUTPUT, OFFERED)
    assert missing_for(one_way, INPUT, OFFERED) == ["phi.condition"]
    assert missing_for(one_way, OUTPUT, OFFERED) == []


def test_settings_take_away_findings_of_models_too():
    assert counting(found(0, 9)) == [True]
    for setting, kept in (
        (DetectorSetting(kind="pii.*", enabled=False), False),
        (DetectorSetting(detector="tiny/entities", enabled=False), False),
        (DetectorSetting(detector="email", enabled=False), True),
        (DetectorSetting(kind="pii.person", min_score=0.9), False),
        (DetectorSetting(kind="pii.person", min_score=0.8), True),
    ):
        assert counting(found(0, 9), settings=[setting]) == [kept], setting


def test_allowed_values_are_no_findings():
    allow = [AllowEntry(id="a", kinds=["pii.*"], values=["ana silva"])]
    assert counting(found(0, 9), found(0, 3), found(0, 9, kind="attack.x"), allow=allow) == [False, True, True]


def test_labels_of_redactions_are_no_findings_and_nothing_else_is_hidden_by_one():
    inside, disguised, own = (TEXT.index(word) for word in ("pii", "bob", "custom"))
    assert counting(found(inside, inside + 10), found(own, own + 8)) == [False, False]
    assert counting(found(disguised, disguised + 9), found(0, inside)) == [True, True]


def test_compiled_documents_bring_them():
    document = DetectorsDocument(schema_version="1", settings=[DetectorSetting(kind="pii.person", enabled=False)])
    compiled = compile_documents(policy(["pii.*"]), document, NO_BUDGETS, {}, NO_LISTS)
    assert compiled.models.counting(TEXT, [found(0, 9)]) == []


TOPIC = TopicRule(id="leave", kind="topic.leave", examples=["How many days off have I got?"])


def test_topics_count_where_the_org_describes_them_and_a_pack_can_tell_any():
    rules = model_rules(DetectorsDocument(schema_version="1", topics=[TOPIC]), {})
    assert rules.offered({"pii.person", "topic.*"}) == {"pii.person", "topic.leave"}
    assert rules.offered({"pii.person"}) == {"pii.person"}
    assert model_rules(DetectorsDocument(schema_version="1"), {}).offered({"topic.*"}) == frozenset()
    compiled = compile_policy(policy(["topic.leave"]))
    require_offered(compiled, rules.offered({"topic.*"}))
    for offered in (rules.offered({"pii.person"}), {"topic.pay"}):
        with pytest.raises(BundleRejected, match=r"only a model finds topic\.leave"):
            require_offered(compiled, offered)
    assert [f.kind for f in rules.counting(TEXT, [found(0, len(TEXT), "topic.leave")])] == ["topic.leave"]

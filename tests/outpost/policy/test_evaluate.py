import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.policy.evaluate import Facts, compile_policy, evaluate
from outpost.protocol.decisions import Action, Decision, Destination, Direction, Redaction
from outpost.protocol.documents import PolicyDocument, parse_document
from outpost.protocol.findings import Finding

FACTS = Facts(surface="openai.chat", model="gpt-4o", group="finance", direction=Direction.INPUT)
CARD = Finding("pci.pan", 0, 16, 0.9, "card/luhn")
EMAIL = Finding("pii.email", 20, 30, 0.8, "email")
IBAN = Finding("pci.account.iban", 40, 60, 0.95, "iban/mod97")
WEAK = Finding("pci.pan", 70, 86, 0.4, "card")


def rule(sequence: int, action: str, name: str | None = None, **when) -> dict:
    return {
        "id": name or f"r{sequence}",
        "sequence": sequence,
        "when": when,
        "action": action,
        "reason": f"because {sequence}",
    }


def pack(*rules: dict, default="ALLOW", sequence=0, name="p", combining="first_applicable") -> dict:
    return {"id": name, "sequence": sequence, "default": default, "combining": combining, "rules": list(rules)}


def compiled(*packs: dict):
    document = json.dumps({"schema_version": "1", "packs": list(packs)}).encode()
    return compile_policy(parse_document(PolicyDocument, "policy.json", document))


def decide(*packs: dict, findings=(), facts=FACTS) -> Decision:
    return evaluate(compiled(*packs), facts, findings)


def short(decision: Decision) -> tuple:
    return decision.action.value, decision.rule_id, decision.redact


BLOCK_CARDS = rule(1, "BLOCK", findings=["pci.*"])
MASK_EMAIL = rule(2, "REDACT", findings=["pii.email"])
ALLOW_ALL = rule(9, "ALLOW")
TO_INSIDE = rule(5, "ROUTE_TO", findings=["pii.email"], directions=["input"]) | {
    "route_to": {"provider": "in-house", "model": "llama"}
}

TABLE = {
    # name: (packs, findings, (action, rule id, indices to redact))
    "no rule, default ALLOW": ([pack()], [CARD], ("ALLOW", "p/default", ())),
    "no rule, default BLOCK": ([pack(default="BLOCK")], [], ("BLOCK", "p/default", ())),
    "no rule matches, default BLOCK": ([pack(BLOCK_CARDS, default="BLOCK")], [EMAIL], ("BLOCK", "p/default", ())),
    "a finding blocks": ([pack(BLOCK_CARDS)], [EMAIL, CARD], ("BLOCK", "p/r1", ())),
    "a rule without conditions blocks": ([pack(rule(1, "BLOCK"))], [], ("BLOCK", "p/r1", ())),
    "a rule without conditions allows": ([pack(ALLOW_ALL, default="BLOCK")], [CARD], ("ALLOW", "p/r9", ())),
    "rules by sequence, not by place": (
        [pack(rule(2, "ALLOW"), rule(1, "BLOCK"))],
        [],
        ("BLOCK", "p/r1", ()),
    ),
    "the first that ends wins": ([pack(rule(1, "ALLOW"), rule(2, "BLOCK"))], [], ("ALLOW", "p/r1", ())),
    "redact one": ([pack(MASK_EMAIL)], [CARD, EMAIL], ("REDACT", "p/r2", (1,))),
    "redactions accumulate": (
        [pack(rule(1, "REDACT", findings=["pci.pan"]), MASK_EMAIL)],
        [EMAIL, CARD, IBAN],
        ("REDACT", "p/r1", (0, 1)),
    ),
    "redactions of two rules on one finding": (
        [pack(rule(1, "REDACT", findings=["*"]), MASK_EMAIL)],
        [EMAIL],
        ("REDACT", "p/r1", (0,)),
    ),
    "redact goes on to a block": (
        [pack(rule(1, "REDACT", findings=["pii.email"]), rule(2, "BLOCK", findings=["pci.pan"]))],
        [EMAIL, CARD],
        ("BLOCK", "p/r2", ()),
    ),
    "allow ends and keeps redactions": (
        [pack(MASK_EMAIL, rule(3, "ALLOW"), rule(4, "BLOCK"))],
        [EMAIL],
        ("REDACT", "p/r2", (0,)),
    ),
    "allow ends before a later redact": ([pack(rule(1, "ALLOW"), MASK_EMAIL)], [EMAIL], ("ALLOW", "p/r1", ())),
    "packs by sequence, not by place": (
        [pack(rule(1, "ALLOW"), sequence=2, name="b"), pack(rule(1, "BLOCK"), sequence=1, name="a")],
        [],
        ("BLOCK", "a/r1", ()),
    ),
    "default ALLOW hands on": (
        [pack(BLOCK_CARDS, sequence=1, name="a"), pack(default="BLOCK", sequence=2, name="b")],
        [EMAIL],
        ("BLOCK", "b/default", ()),
    ),
    "default BLOCK ends": (
        [pack(default="BLOCK", sequence=1, name="a"), pack(rule(1, "ALLOW"), sequence=2, name="b")],
        [],
        ("BLOCK", "a/default", ()),
    ),
    "an ALLOW of the first pack ends all": (
        [pack(rule(1, "ALLOW"), sequence=1, name="a"), pack(rule(1, "BLOCK"), sequence=2, name="b")],
        [],
        ("ALLOW", "a/r1", ()),
    ),
    "redactions of one pack reach the end of the last": (
        [pack(MASK_EMAIL, sequence=1, name="a"), pack(sequence=2, name="b")],
        [EMAIL],
        ("REDACT", "a/r2", (0,)),
    ),
    "a redaction of one pack does not outlive a block of the next": (
        [pack(MASK_EMAIL, sequence=1, name="a"), pack(default="BLOCK", sequence=2, name="b")],
        [EMAIL],
        ("BLOCK", "b/default", ()),
    ),
    "no pack objects": ([pack(sequence=1, name="a"), pack(sequence=2, name="b")], [CARD], ("ALLOW", "b/default", ())),
    "deny overrides: a later BLOCK before an earlier ALLOW": (
        [pack(rule(1, "ALLOW"), rule(2, "BLOCK", findings=["pci.pan"]), combining="deny_overrides")],
        [CARD],
        ("BLOCK", "p/r2", ()),
    ),
    "deny overrides: a later REDACT before an earlier ALLOW": (
        [pack(rule(1, "ALLOW"), rule(2, "REDACT", findings=["pci.pan"]), combining="deny_overrides")],
        [CARD],
        ("REDACT", "p/r2", (0,)),
    ),
    "a route ends": ([pack(TO_INSIDE, rule(9, "BLOCK"))], [EMAIL], ("ROUTE_TO", "p/r5", ())),
    "a route that does not match": ([pack(TO_INSIDE)], [CARD], ("ALLOW", "p/default", ())),
    "redactions before a route are kept": (
        [pack(rule(1, "REDACT", findings=["pci.pan"]), TO_INSIDE)],
        [CARD, EMAIL],
        ("ROUTE_TO", "p/r5", (0,)),
    ),
    "redactions after a route are not asked for": (
        [pack(TO_INSIDE, rule(6, "REDACT", findings=["*"]))],
        [EMAIL],
        ("ROUTE_TO", "p/r5", ()),
    ),
    "deny overrides: a later ROUTE_TO before an earlier ALLOW": (
        [pack(rule(1, "ALLOW"), TO_INSIDE, combining="deny_overrides")],
        [EMAIL],
        ("ROUTE_TO", "p/r5", ()),
    ),
    "deny overrides: a later BLOCK before an earlier ROUTE_TO": (
        [pack(TO_INSIDE, rule(6, "BLOCK"), combining="deny_overrides")],
        [EMAIL],
        ("BLOCK", "p/r6", ()),
    ),
    "deny overrides: blocks by sequence": (
        [pack(rule(2, "BLOCK"), rule(1, "BLOCK"), combining="deny_overrides")],
        [],
        ("BLOCK", "p/r1", ()),
    ),
    "deny overrides: ALLOW if nothing denies": (
        [pack(rule(1, "ALLOW"), rule(2, "BLOCK", findings=["pci.pan"]), default="BLOCK", combining="deny_overrides")],
        [EMAIL],
        ("ALLOW", "p/r1", ()),
    ),
    "deny overrides reaches no further than its pack": (
        [
            pack(rule(1, "ALLOW"), sequence=1, name="a", combining="deny_overrides"),
            pack(rule(1, "BLOCK"), sequence=2, name="b", combining="deny_overrides"),
        ],
        [],
        ("ALLOW", "a/r1", ()),
    ),
    "exact kind": ([pack(rule(1, "BLOCK", findings=["pci.pan"]))], [IBAN], ("ALLOW", "p/default", ())),
    "domain of two levels": ([pack(rule(1, "BLOCK", findings=["pci.*"]))], [IBAN], ("BLOCK", "p/r1", ())),
    "subdomain": ([pack(rule(1, "BLOCK", findings=["pci.account.*"]))], [IBAN], ("BLOCK", "p/r1", ())),
    "subdomain of another": ([pack(rule(1, "BLOCK", findings=["pci.account.*"]))], [CARD], ("ALLOW", "p/default", ())),
    "a domain is not a prefix": (
        [pack(rule(1, "BLOCK", findings=["pc.*", "pci.pa.*"]))],
        [CARD, IBAN],
        ("ALLOW", "p/default", ()),
    ),
    "a domain does not name itself": (
        [pack(rule(1, "BLOCK", findings=["pci.pan.*"]))],
        [CARD],
        ("ALLOW", "p/default", ()),
    ),
    "any kind": ([pack(rule(1, "BLOCK", findings=["*"]))], [EMAIL], ("BLOCK", "p/r1", ())),
    "any kind, but none found": ([pack(rule(1, "BLOCK", findings=["*"]))], [], ("ALLOW", "p/default", ())),
    "kinds are ORed": ([pack(rule(1, "BLOCK", findings=["pii.email", "pci.pan"]))], [CARD], ("BLOCK", "p/r1", ())),
    "below the default score": ([pack(BLOCK_CARDS)], [WEAK], ("ALLOW", "p/default", ())),
    "at the stated score": ([pack(rule(1, "BLOCK", findings=["*"], min_score=0.4))], [WEAK], ("BLOCK", "p/r1", ())),
    "above the stated score": (
        [pack(rule(1, "BLOCK", findings=["*"], min_score=0.91))],
        [CARD],
        ("ALLOW", "p/default", ()),
    ),
    "only findings with the score are redacted": (
        [pack(rule(1, "REDACT", findings=["pci.*"]))],
        [WEAK, CARD, EMAIL, IBAN],
        ("REDACT", "p/r1", (1, 3)),
    ),
    "a REDACT that finds nothing did not match": (
        [pack(MASK_EMAIL, default="BLOCK")],
        [CARD],
        ("BLOCK", "p/default", ()),
    ),
    # Otherwise a text would pass for holding something to redact, and be blocked without it.
    "a matching REDACT does not keep the pack's default BLOCK away": (
        [pack(MASK_EMAIL, default="BLOCK")],
        [EMAIL],
        ("BLOCK", "p/default", ()),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_decisions(name):
    packs, findings, expected = TABLE[name]
    assert short(decide(*packs, findings=findings)) == expected


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        ({"directions": ["input"]}, True),
        ({"directions": ["output"]}, False),
        ({"directions": ["output", "input"]}, True),
        ({"models": ["gpt-4o"]}, True),
        ({"models": ["gpt-4", "gpt-4o-mini"]}, False),
        ({"groups": ["finance"]}, True),
        ({"groups": ["hr"]}, False),
        ({"surfaces": ["openai.chat"]}, True),
        ({"surfaces": ["openai"]}, False),
        ({"groups": ["finance"], "models": ["gpt-4o"], "directions": ["input"], "surfaces": ["openai.chat"]}, True),
        ({"groups": ["finance"], "models": ["other"]}, False),
        ({"groups": ["other"], "models": ["gpt-4o"]}, False),
        ({"groups": ["finance"], "findings": ["pci.*"]}, True),
        ({"groups": ["other"], "findings": ["pci.*"]}, False),
        ({"groups": ["finance"], "findings": ["pii.*"]}, False),
    ],
)
def test_conditions_are_anded_and_their_entries_ored(when, matches):
    decision = decide(pack(rule(1, "BLOCK", **when)), findings=[CARD])
    assert (decision.action is Action.BLOCK) is matches


def test_a_block_says_which_kinds_made_it_match():
    decision = decide(pack(rule(1, "BLOCK", findings=["pci.*"])), findings=[IBAN, EMAIL, CARD, CARD])
    assert decision == Decision(Action.BLOCK, "p/r1", "because 1", (), ("pci.account.iban", "pci.pan"))


def test_a_redaction_says_all_kinds_it_replaces_and_the_first_rule():
    decision = decide(pack(MASK_EMAIL, rule(3, "REDACT", findings=["pci.pan"])), findings=[CARD, EMAIL])
    assert decision == Decision(Action.REDACT, "p/r2", "because 2", (0, 1), ("pci.pan", "pii.email"))


def test_deny_overrides_changes_nothing_in_the_order_of_the_other_packs():
    policy = compiled(
        pack(rule(1, "ALLOW"), rule(2, "BLOCK"), name="first", sequence=1),
        pack(rule(1, "BLOCK"), name="second", sequence=2, combining="deny_overrides"),
    )
    assert evaluate(policy, FACTS, ()).rule_id == "first/r1"


# Properties

KINDS = ["pci.pan", "pci.account.iban", "pii.email", "secret.api_key"]
NAMES = [*KINDS, "*", "pci.*", "pci.account.*", "pii.*"]
FINDING = st.builds(
    Finding,
    st.sampled_from(KINDS),
    st.integers(0, 50),
    st.integers(51, 99),
    st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]),
    st.just("d"),
)
FINDINGS = st.lists(FINDING, max_size=5)


@st.composite
def _rules(draw):
    rules = []
    for number in range(draw(st.integers(0, 5))):
        action = draw(st.sampled_from(["ALLOW", "BLOCK", "REDACT"]))
        when = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "min_score": st.sampled_from([0.0, 0.4, 0.9]),
                    "directions": st.sampled_from([["input"], ["output"]]),
                    "groups": st.sampled_from([["finance"], ["hr"]]),
                },
            )
        )
        if action == "REDACT" or draw(st.booleans()):
            when["findings"] = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2))
        rules.append(rule(number, action, **when))
    return rules


@st.composite
def packs(draw):
    return [
        pack(
            *draw(_rules()),
            default=draw(st.sampled_from(["ALLOW", "BLOCK"])),
            sequence=number,
            name=f"p{number}",
            combining=draw(st.sampled_from(["first_applicable", "deny_overrides"])),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


@given(packs(), FINDINGS)
def test_the_same_question_has_the_same_answer_and_changes_nothing(policy, findings):
    one, before = compiled(*policy), list(findings)
    decision = evaluate(one, FACTS, findings)
    assert decision == evaluate(one, FACTS, findings) == evaluate(compiled(*reversed(policy)), FACTS, tuple(findings))
    assert findings == before
    assert one == compiled(*policy)


@given(packs(), FINDINGS)
def test_a_decision_is_consistent_in_itself(policy, findings):
    decision = decide(*policy, findings=findings)
    assert (decision.action is Action.REDACT) is bool(decision.redact)
    assert list(decision.redact) == sorted(set(decision.redact))
    assert all(0 <= index < len(findings) for index in decision.redact)
    if decision.redact:
        assert decision.kinds == tuple(sorted({findings[index].kind for index in decision.redact}))
    name, _, rest = decision.rule_id.partition("/")
    named = next(one for one in policy if one["id"] == name)
    assert rest == "default" or rest in {one["id"] for one in named["rules"]}


@given(packs(), FINDINGS)
def test_a_first_block_without_conditions_always_blocks(policy, findings):
    decision = decide(pack(rule(0, "BLOCK"), name="top", sequence=0), *_later(policy), findings=findings)
    assert (decision.action, decision.rule_id) == (Action.BLOCK, "top/r0")


@given(packs(), FINDINGS)
def test_deny_overrides_blocks_wherever_the_block_stands(policy, findings):
    first = policy[0] | {"combining": "deny_overrides"}
    first["rules"] = [*first["rules"], rule(99, "BLOCK")]
    assert decide(first, *policy[1:], findings=findings).action is Action.BLOCK


def _later(policy):
    return [one | {"sequence": one["sequence"] + 1} for one in policy]


def test_what_the_caller_is_told():
    own = rule(1, "BLOCK", models=["a"]) | {"messages": {"user": "for this rule"}}
    plain = rule(2, "BLOCK", models=["b"])
    redact = rule(3, "REDACT", findings=["pii.email"])
    loud = pack(own, plain, redact, default="BLOCK") | {"messages": {"user": "for this pack"}}

    def told(model, *packs, findings=()) -> str:
        return decide(*packs, findings=findings, facts=Facts("s", model, "g", Direction.INPUT)).message

    assert [told(model, loud) for model in "abc"] == ["for this rule", "for this pack", "for this pack"]
    assert told("b", pack(own, plain)) == ""
    assert told("c", loud | {"default": "ALLOW"}, findings=[EMAIL]) == ""


@given(packs(), FINDINGS, st.integers(0, 5))
def test_a_finding_that_no_rule_names_never_changes_the_decision(policy, findings, place):
    named = [
        one | {"rules": [r | {"when": r["when"] | _without_star(r["when"])} for r in one["rules"]]} for one in policy
    ]
    stranger = Finding("other.thing", 0, 1, 1.0, "d")
    place = min(place, len(findings))
    with_it = decide(*named, findings=[*findings[:place], stranger, *findings[place:]])
    without = decide(*named, findings=findings)
    shifted = tuple(index + (index >= place) for index in without.redact)
    assert (with_it.action, with_it.rule_id, with_it.kinds) == (without.action, without.rule_id, without.kinds)
    assert with_it.redact == shifted


def _without_star(when):
    return {"findings": [name if name != "*" else "pii.*" for name in when["findings"]]} if "findings" in when else {}


@given(packs(), FINDINGS)
def test_what_passes_has_had_every_redaction_before_the_end(policy, findings):
    # If the first pack names a kind in its first rule, no such finding passes unredacted.
    top = pack(rule(0, "REDACT", findings=["pii.email"], min_score=0.5), name="top", sequence=0)
    decision = decide(top, *_later(policy), findings=findings)
    if decision.action is not Action.BLOCK:
        masked = {index for index, one in enumerate(findings) if one.kind == "pii.email" and one.score >= 0.5}
        assert masked <= set(decision.redact)


def test_the_first_rule_that_redacts_something_says_how():
    names = {**rule(1, "REDACT", findings=["pii.*"]), "redaction": "restore"}
    masks = {**rule(2, "REDACT", findings=["*"]), "redaction": "mask"}

    decision = decide(pack(names, masks, rule(3, "REDACT", findings=["pci.account.*"])), findings=[CARD, EMAIL, IBAN])
    assert decision.to_redact() == ((0, Redaction.MASK), (1, Redaction.RESTORE), (2, Redaction.MASK))
    labels = decide(pack(MASK_EMAIL), findings=[EMAIL])
    assert labels.redactions == ()
    assert labels.to_redact() == ((0, Redaction.LABEL),)


def test_a_route_says_where_to_and_why():
    decision = decide(pack(rule(1, "REDACT", findings=["pci.pan"]), TO_INSIDE), findings=[CARD, EMAIL])

    assert decision.destination == Destination(provider="in-house", model="llama")
    assert str(decision.destination) == "provider in-house, model llama"
    assert decision.kinds == ("pci.pan", "pii.email")
    assert decision.to_redact() == ((0, Redaction.LABEL),)


def test_answers_are_not_routed():
    answer = Facts(FACTS.surface, FACTS.model, FACTS.group, Direction.OUTPUT)

    assert decide(pack(TO_INSIDE), findings=[EMAIL], facts=answer).action is Action.ALLOW

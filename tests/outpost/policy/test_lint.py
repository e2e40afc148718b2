import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.dictionary import build_words
from outpost.policy.compile import Lists
from outpost.policy.lint import lint_documents
from outpost.policy.problems import Severity
from outpost.protocol.document_set import MODELS
from outpost.protocol.documents import encode_document
from tests.outpost.dlp.org_lists import KEY as LIST_KEY
from tests.outpost.protocol.samples import DOCUMENTS

PACK = {"id": "p", "sequence": 1, "default": "BLOCK", "rules": []}
KEY = {"id": "k", "prefix": "sk-op-a-01234567", "pepper_id": "p", "digest": "ab" * 32, "group": "sales"}
PROVIDER = {"id": "o", "surface": "openai", "base_url": "https://llm.example/v1", "models": ["gpt-big"]}


def rule(number, action="BLOCK", **when) -> dict:
    return {"id": f"r{number}", "sequence": number, "when": when, "action": action}


def policy(*rules, **pack) -> dict:
    return {"packs": [PACK | {"rules": list(rules)} | pack]}


def lint(**documents) -> list[tuple[str, str, str]]:
    contents = {
        f"{name}.json": json.dumps({"schema_version": "1"} | value, indent=1).encode()
        for name, value in documents.items()
    }
    return [(problem.path, problem.severity.value, problem.code) for problem in lint_documents(contents).problems]


def messages(**documents) -> str:
    contents = {
        f"{name}.json": json.dumps({"schema_version": "1"} | value).encode() for name, value in documents.items()
    }
    return "\n".join(problem.message for problem in lint_documents(contents).problems)


def test_a_clean_policy():
    good = policy(rule(1, findings=["pci.*"]), rule(2, "REDACT", findings=["pii.email"]), rule(3, "ALLOW"))
    assert lint(policy=good, keys={"keys": [KEY]}, routing={"providers": [PROVIDER]}, detectors={}, smoke={}) == []


ERRORS = [
    (b"{", (1, 2), "syntax"),
    (b'{"a": 1,}', (1, 9), "syntax"),
    (b'{\n "a": "\xff"}', (2, 8), "syntax"),
    (b"[" * 100_000, (1, 1), "syntax"),
    (b'{\n  "schema_version": "1",\n  "packs": 5\n}', (3, 3), "schema"),
    (b'{"schema_version": "1"}', (1, 1), "schema"),
    (b'{"schema_version": "1",\n "schema_version": "1", "packs": []}', None, None),
]


@pytest.mark.parametrize(("content", "place", "code"), ERRORS)
def test_errors_have_a_place(content, place, code):
    problems = lint_documents({"policy.json": content}).problems
    assert all(problem.severity is Severity.ERROR for problem in problems)
    if place is not None:
        (problem,) = problems
        assert ((problem.line, problem.column), problem.code) == (place, code)


def test_a_name_that_stands_twice_is_shown_where_it_does_so_again():
    content = (
        b'{"schema_version": "1", "packs": [{"id": "p", "sequence": 1, "default": "BLOCK", "rules": [],\n "id": "q"}]}'
    )
    (problem,) = lint_documents({"policy.json": content}).problems
    assert (problem.line, problem.column, problem.code) == (2, 2, "duplicate-name")


WARNINGS = [
    (policy(rule(1), rule(2, "ALLOW", groups=["x"])), ("packs.0.rules.1", "unreachable")),
    (policy(rule(1, findings=["pci.*"]), rule(2, "REDACT", findings=["pci.pan"])), ("packs.0.rules.1", "unreachable")),
    (
        policy(rule(1, "REDACT", findings=["pii.*"]), rule(2, "REDACT", findings=["pii.*"])),
        ("packs.0.rules.1", "duplicate"),
    ),
    (
        policy(rule(1, "ALLOW", groups=["x"]), rule(2, groups=["x"]), combining="deny_overrides"),
        ("packs.0.rules.0", "unreachable"),
    ),
    (policy(rule(1, findings=["pci.pan", "pii.emial"])), ("packs.0.rules.0.when.findings.1", "unknown-kind")),
    (policy(rule(1, "REDACT", findings=["unscannable.*"])), ("packs.0.rules.0.when.findings.0", "redact-unscannable")),
    ({"packs": [PACK, PACK | {"id": "q", "sequence": 2}]}, ("packs.1", "unreachable")),
]  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), WARNINGS)
def test_warnings(document, expected):
    assert lint(policy=document) == [(expected[0], "warning", expected[1])]


def test_a_redaction_hides_no_later_rule():
    assert lint(policy=policy(rule(1, "REDACT", findings=["*"]), rule(2, findings=["pci.pan"]))) == []


def test_what_nobody_names_passes():
    assert lint(policy=policy(default="ALLOW")) == [("packs.0.default", "note", "default-allow")]


def test_suggestions():
    assert "did you mean pii.email?" in messages(policy=policy(rule(1, findings=["pii.emial"])))
    assert "did you mean secret.*?" in messages(policy=policy(rule(1, findings=["secrets.*"])))
    assert "did you mean findings?" in messages(policy=policy(rule(1) | {"when": {"finding": ["*"]}}))


def test_groups_and_models_that_nothing_has():
    document = policy(rule(1, groups=["sales", "salse"]), rule(2, models=["gpt-bigg"]))
    others = {"keys": {"keys": [KEY]}, "routing": {"providers": [PROVIDER]}}
    assert lint(policy=document) == []
    assert lint(policy=document, **others) == [
        ("packs.0.rules.0.when.groups.1", "warning", "unknown-group"),
        ("packs.0.rules.1.when.models.0", "warning", "unknown-model"),
    ]
    assert "did you mean sales?" in messages(policy=document, **others)
    anything = {"routing": {"providers": [PROVIDER | {"models": ["*"]}]}}
    assert lint(policy=document, **anything) == []


def test_custom_kinds_count_and_disabled_ones_do_not():
    custom = {"custom": [{"id": "c", "kind": "custom.c", "keywords": ["xx"]}]}
    asks = policy(rule(1, findings=["custom.c"]))
    assert lint(policy=asks, detectors=custom) == []
    off = custom | {"settings": [{"detector": "custom/c", "enabled": False}]}
    assert lint(policy=asks, detectors=off) == [("packs.0.rules.0.when.findings.0", "warning", "unknown-kind")]


def test_detectors():
    document = {
        "settings": [
            {"detector": "emial", "enabled": False},
            {"kind": "pii.nothing", "enabled": False},
            {"kind": "pii.*", "min_score": 0.6},
        ],
        "allow": [{"id": "a", "kinds": ["pci.pan", "nosuch.kind"], "values": ["4111111111111111"]}],
        "custom": [],
    }
    assert lint(detectors=document) == [
        ("settings.0.detector", "warning", "unknown-detector"),
        ("settings.1.kind", "warning", "unknown-kind"),
        ("allow.0.kinds.1", "warning", "unknown-kind"),
        ("allow.0.values", "note", "clear-values"),
    ]


def test_what_refuses_a_bundle_is_an_error():
    custom = {"id": "c", "kind": "custom.c", "pattern": "a*"}
    fine = custom | {"id": "d", "pattern": "ab"}
    assert lint(detectors={"custom": [fine, custom]}) == [("custom.1.pattern", "error", "custom-rule")]
    assert lint(detectors={"custom": [{"id": "c", "kind": "custom.c", "keywords": ["redacted"]}]}) == [
        ("custom", "error", "custom-rule")
    ]
    budget = {"id": "b", "subject": {"group": "g"}, "monthly_tokens": 1, "at_limit": "WARN"}
    assert lint(budgets={"budgets": [budget]}) == [("budgets", "error", "unenforced")]
    case = {"id": "c", "text": "hello", "direction": "input", "expect": {"action": "ALLOW"}}
    assert lint(policy=policy(), smoke={"cases": [case | {"id": "b", "expect": {"action": "BLOCK"}}, case]}) == [
        ("cases.1", "error", "smoke")
    ]


def test_the_cost_of_patterns_is_told():
    custom = [
        {"id": name, "kind": "custom.c", "pattern": pattern}
        for name, pattern in (("a", r"\bPRJ-[0-9]{4,6}\b"), ("b", r"\b[a-z]{2,9} [a-z]{2,9}\b"))
    ]
    assert lint(detectors={"custom": custom}) == [
        ("custom.0.pattern", "note", "cost"),
        ("custom.1.pattern", "note", "cost"),
        ("custom.1.pattern", "warning", "costly"),
    ]
    said = messages(detectors={"custom": custom})
    assert "every match holds 4 fixed characters" in said
    assert "vary by 16 of 500 characters together" in said
    assert "times in two ordinary sentences" in said


LISTS = {"lists": [{"id": "customers", "kind": "org.customers", "form": "words"}]}
CUSTOMERS = build_words(["Quxley"], "customers", LIST_KEY)


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        (Lists({}, {}), [("lists.0", "note", "list-untried")]),
        (Lists({"customers": CUSTOMERS}, {}), [("lists.0", "note", "list-untried")]),
        (Lists({"customers": CUSTOMERS}, {LIST_KEY.id: LIST_KEY.value}), [("cases.1", "error", "smoke")]),
        (Lists({"customers": CUSTOMERS}, {LIST_KEY.id: bytes(32)}), [("lists.0", "error", "list")]),
        (Lists({"customers": CUSTOMERS[:-1]}, {}), [("lists.0", "error", "list")]),
    ],
)
def test_lists_are_tried_as_far_as_they_and_their_keys_are_given(lists, expected):
    cases = [
        {"id": name, "text": "for Quxley", "direction": "input", "expect": {"action": action}}
        for name, action in (("a", "BLOCK"), ("b", "ALLOW"))
    ]
    found = policy(rule(1, findings=["org.customers"]), rule(2, "ALLOW"))
    documents = {"policy": found, "detectors": LISTS, "smoke": {"cases": cases}}
    contents = {
        f"{name}.json": json.dumps({"schema_version": "1"} | value).encode() for name, value in documents.items()
    }
    problems = lint_documents(contents, lists).problems
    assert [(problem.path, problem.severity.value, problem.code) for problem in problems] == expected


@pytest.mark.parametrize("name", MODELS)
@settings(deadline=None)  # the first scan compiles the engine
@given(st.data())
def test_a_spoilt_document_gives_problems_and_nothing_else(name, data):
    content = bytearray(encode_document(DOCUMENTS[name.removesuffix(".json")]))
    start = data.draw(st.integers(0, len(content) - 1))
    content[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for problem in lint_documents({name: bytes(content)}).problems:
        assert problem.line >= 1
        assert problem.column >= 1


def test_what_only_a_model_finds_is_no_mistake_and_worth_knowing():
    asks = policy(rule(1, findings=["pii.person", "attack.*"]))
    names = {
        "settings": [{"kind": "phi.condition", "enabled": False}],
        "allow": [{"id": "a", "kinds": ["phi.medication"], "values": ["aspirin"]}],
    }
    told = [said for said in lint(policy=asks, detectors=names) if said[2] != "clear-values"]
    assert told == [
        ("packs.0.rules.0.when.findings.0", "note", "needs-model"),
        ("packs.0.rules.0.when.findings.1", "note", "needs-model"),
    ]

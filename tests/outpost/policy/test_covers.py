import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.policy.covers import covers
from outpost.policy.evaluate import Facts, compile_policy, evaluate
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.documents import Conditions, Pack, PolicyDocument, Rule
from outpost.protocol.findings import Finding

ANY = Conditions()


@pytest.mark.parametrize(
    ("wider", "narrower", "expected"),
    [
        (ANY, ANY, True),
        (ANY, Conditions(findings=["pci.pan"]), True),
        (Conditions(findings=["pci.pan"]), ANY, False),
        (Conditions(findings=["pci.*"]), Conditions(findings=["pci.pan"]), True),
        (Conditions(findings=["pci.*"]), Conditions(findings=["pci.a.*"]), True),
        (Conditions(findings=["pci.a.*"]), Conditions(findings=["pci.*"]), False),
        (Conditions(findings=["*"]), Conditions(findings=["pci.*", "*"]), True),
        (Conditions(findings=["pci.*"]), Conditions(findings=["pci.pan", "pii.email"]), False),
        (Conditions(findings=["*"], min_score=0.6), Conditions(findings=["*"], min_score=0.5), False),
        (Conditions(findings=["*"], min_score=0.6), Conditions(findings=["*"], min_score=0.7), True),
        (Conditions(groups=["a", "b"]), Conditions(groups=["a"], models=["m"]), True),
        (Conditions(groups=["a"]), Conditions(groups=["a", "b"]), False),
        (Conditions(directions=[Direction.INPUT]), ANY, False),
        (Conditions(surfaces=["s"]), Conditions(surfaces=["s"]), True),
    ],
)
def test_covers(wider, narrower, expected):
    assert covers(wider, narrower) is expected


NAMES = st.none() | st.lists(st.sampled_from("ab"), min_size=1, max_size=2, unique=True)
CONDITIONS = st.builds(
    Conditions,
    findings=st.none() | st.lists(st.sampled_from(["pci.pan", "pci.*", "pii.email", "*"]), min_size=1, max_size=2),
    min_score=st.sampled_from([0.5, 0.7]),
    models=NAMES,
    groups=NAMES,
)
FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from(["pci.pan", "pci.x", "pii.email"]), st.just(0), st.just(1),
              st.sampled_from([0.5, 0.6, 0.9]), st.just("d")),
    max_size=3,
)  # fmt: skip


@given(CONDITIONS, CONDITIONS, FINDINGS, st.sampled_from("abc"), st.sampled_from("abc"))
def test_what_is_covered_never_matches_alone(wider, narrower, findings, model, group):
    def blocked(when) -> bool:
        rule = Rule(id="r", sequence=1, when=when, action=Action.BLOCK)
        pack = Pack(id="p", sequence=1, default=Action.ALLOW, rules=[rule])
        policy = compile_policy(PolicyDocument(schema_version="1", packs=[pack]))
        return evaluate(policy, Facts("s", model, group, Direction.INPUT), findings).action is Action.BLOCK

    if covers(wider, narrower):
        assert blocked(wider) or not blocked(narrower)

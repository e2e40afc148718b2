from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outpost.dlp.dictionary import build_words
from outpost.errors import BundleRejected, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.detectors import CustomRule, DetectorsDocument, ListRule
from outpost.protocol.list_file import ListForm
from outpost.protocol.routing import Provider, RoutingDocument
from outpost.proxy.enforcement import CLOCK_TOLERANCE, Admission, compile_bundle, with_peppers
from tests.fakes.outpost import PEPPER, make_bundle, make_key
from tests.outpost.dlp.org_lists import KEY
from tests.outpost.proxy.setup import policy, routing

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def enforcement(chosen_routing=None, peppers=None):
    bundle = make_bundle(policy(), chosen_routing or routing("http://provider.example/v1"), [make_key()[1]], AT)
    return compile_bundle(bundle, {"p1": PEPPER} if peppers is None else peppers)


def refused(admission, at):
    with pytest.raises(Rejected) as error:
        admission.admit(at)
    return error.value.code


def test_with_everything_in_order_what_is_enforced_is_given():
    enforced = enforcement()

    assert Admission(enforced).admit(AT) is enforced


@pytest.mark.parametrize(
    ("after", "code"),
    [
        (-CLOCK_TOLERANCE, None),
        (-CLOCK_TOLERANCE - timedelta(seconds=1), ErrorCode.CLOCK_UNTRUSTED),
        (timedelta(days=1, seconds=1), None),
        (timedelta(days=7), None),
        (timedelta(days=7, seconds=1), ErrorCode.POLICY_EXPIRED),
        (timedelta(days=10_000), ErrorCode.POLICY_EXPIRED),
    ],
)
def test_time_decides_exactly_at_its_limits(after, code):
    admission = Admission(enforcement())

    if code is None:
        assert admission.admit(AT + after)
    else:
        assert refused(admission, AT + after) is code


def test_the_floor_is_the_latest_time_that_is_known():
    admission = Admission(enforcement(), clock_floor_at=AT + timedelta(days=2))
    assert refused(admission, AT + timedelta(days=1)) is ErrorCode.CLOCK_UNTRUSTED

    admission.clock_floor_at = AT - timedelta(days=2)  # an older one than the bundle itself proves
    assert refused(admission, AT - timedelta(days=1)) is ErrorCode.CLOCK_UNTRUSTED


def test_the_weightiest_reason_is_given():
    admission = Admission(audit_is_healthy=lambda: False)
    assert refused(admission, AT) is ErrorCode.NO_POLICY

    admission.enforcement = enforcement()
    assert refused(admission, AT) is ErrorCode.AUDIT_UNAVAILABLE
    assert refused(admission, AT + timedelta(days=8)) is ErrorCode.POLICY_EXPIRED

    admission.revoked = True
    assert refused(admission, AT) is ErrorCode.OUTPOST_REVOKED


def test_a_named_model_goes_to_its_provider_and_others_to_the_one_for_all():
    providers = [
        Provider(id="a", surface="openai", base_url="http://a.example/v1", models=["m1"]),
        Provider(id="b", surface="openai", base_url="http://b.example/v1", models=["*"]),
    ]
    both = enforcement(RoutingDocument(schema_version="1", providers=providers))
    one = enforcement(RoutingDocument(schema_version="1", providers=providers[:1]))

    served = [both.routing.targets(model, ("openai",)) for model in ("m1", "m2")]
    assert [[target.provider.id for target in targets] for targets in served] == [["a"], ["b"]]
    assert one.routing.targets("m2", ("openai",)) == ()


def test_without_its_pepper_no_key_is_known():
    enforced = enforcement(peppers={})

    assert enforced.keys.missing_peppers == {"p1"}


def test_lists_are_made_ready_once_and_outlive_their_key():
    detectors = DetectorsDocument(
        schema_version="1", lists=[ListRule(id="customers", kind="org.customers", form=ListForm.WORDS)]
    )
    content = build_words(["Quxley"], "customers", KEY)
    bundle = make_bundle(policy(), routing("http://provider.example/v1"), [make_key()[1]], AT)
    bundle = replace(bundle, detectors=detectors, lists={"customers": content})
    keys = {KEY.id: KEY.value}
    with pytest.raises(BundleRejected, match="list key list-1, which is not here"):
        compile_bundle(bundle, {})
    first = compile_bundle(bundle, {}, None, keys)
    assert compile_bundle(bundle, {}, first, keys).engine is first.engine
    other = replace(bundle, lists={"customers": build_words(["Silva"], "customers", KEY)})
    assert [f.kind for f in compile_bundle(other, {}, first, keys).engine.scan("Silva Quxley")] == ["org.customers"]
    with pytest.raises(BundleRejected, match="not here"):
        compile_bundle(bundle, {}, first, {})
    # The control plane takes the key away while the list is in force: it goes on finding.
    assert with_peppers(first, {"p1": PEPPER}, {}).engine.scan("Quxley") != []


def test_what_one_enforcement_has_seen_no_other_has():
    """A text that held nothing under older detectors is scanned again by newer ones, and so is it in any case."""
    first = enforcement()
    assert list(first.seen.scan_each(["project quxley"])) == [()]
    rule = CustomRule(id="projects", kind="custom.projects", keywords=["quxley"])
    bundle = replace(first.bundle, detectors=DetectorsDocument(schema_version="1", custom=[rule]))
    changed = compile_bundle(bundle, {"p1": PEPPER}, first)
    same = compile_bundle(first.bundle, {"p1": PEPPER}, first)
    others = (changed, same, with_peppers(first, {}), replace(first, engine=changed.engine))

    assert same.engine is first.engine
    assert [len(other.seen) for other in others] == [0] * 4
    for other in (changed, others[-1]):
        assert [finding.kind for finding in other.seen.scan_each(["project quxley"])[0]] == ["custom.projects"]
    assert list(first.seen.scan_each(["project quxley"])) == [()]


def test_a_bundle_that_demands_a_model_is_refused_where_there_is_none():
    bundle = make_bundle(policy("BLOCK", ["pii.person"]), routing("http://provider.example/v1"), [make_key()[1]], AT)
    for offered in ((), {"attack.jailbreak"}):
        with pytest.raises(BundleRejected, match=r"only a model finds pii\.person"):
            compile_bundle(bundle, {"p1": PEPPER}, offered=offered)
    for offered in ({"pii.person"}, None):
        assert compile_bundle(bundle, {"p1": PEPPER}, offered=offered).bundle is bundle

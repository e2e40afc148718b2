import inspect
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from outpost.protocol import messages
from outpost.protocol.messages import AuditBatch, EnrolRequest, ErrorBody, Heartbeat, Message
from tests.outpost.protocol.golden import DIRECTORY, check_golden
from tests.outpost.protocol.samples import DOCUMENTS, MESSAGES

MODELS = [
    model
    for _, model in inspect.getmembers(messages, inspect.isclass)
    if issubclass(model, Message) and model != Message
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize("name", MESSAGES)
def test_the_exact_bytes_are_pinned(name):
    check_golden(name, MESSAGES[name].model_dump_json().encode())


def test_there_is_a_sample_of_every_message_and_no_golden_file_without_one():
    nested = {messages.BundleReport, messages.AuditGap}
    assert {type(sample) for sample in MESSAGES.values()} == set(MODELS) - nested
    least = {f"{name}_least" for name in DOCUMENTS}
    assert {path.stem for path in DIRECTORY.glob("*.json")} == MESSAGES.keys() | DOCUMENTS.keys() | least | {
        "model_card"
    }


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_reads_back_as_itself(name):
    sample = MESSAGES[name]
    assert type(sample).model_validate_json(sample.model_dump_json()) == sample


@pytest.mark.parametrize("name", MESSAGES)
def test_a_field_of_a_newer_peer_is_ignored(name):
    sample = MESSAGES[name]
    newer = {**json.loads(sample.model_dump_json()), "field_of_the_future": {"x": [1]}}
    assert type(sample).model_validate_json(json.dumps(newer)) == sample


@pytest.mark.parametrize("name", MESSAGES)
def test_no_field_can_be_of_another_type(name):
    sample = MESSAGES[name]
    good = json.loads(sample.model_dump_json())
    for field, value in good.items():
        other = 1 if isinstance(value, bool) else True
        with pytest.raises(ValidationError):
            type(sample).model_validate_json(json.dumps(good | {field: other}))


def test_messages_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        MESSAGES["watch_reply"].snapshot_version = 8


def _altered(name, **fields):
    sample = MESSAGES[name]
    return type(sample), json.dumps(json.loads(sample.model_dump_json()) | fields)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("anchors", {"anchors_pem": []}),
        ("anchors", {"anchors_pem": ["x"] * 9}),
        ("anchors", {"anchors_pem": [""]}),
        ("anchors", {"anchors_pem": ["x" * 16_385]}),
        ("enrol_request", {"token": ""}),
        ("enrol_request", {"token": "x" * 513}),
        ("enrol_request", {"csr_pem": "x" * 16_385}),
        ("enrol_request", {"hpke_public_key": "AAAA" * 1000}),
        ("enrol_request", {"audit_public_key": "AAAA" * 30}),
        ("enrol_request", {"audit_public_key": "A"}),
        ("enrol_request", {"audit_public_key": "ä"}),
        ("enrol_request", {"audit_public_key": "BA\nUG"}),
        ("enrol_request", {"audit_public_key": "BA-_"}),
        ("enrol_request", {"outpost_version": "x" * 65}),
        ("enrol_response", {"org_id": "../other"}),
        ("enrol_response", {"outpost_id": "edge-1\n"}),
        ("enrol_response", {"trust_domain": "x" * 256}),
        ("enrol_response", {"intermediates_pem": ["x"] * 5}),
        ("enrol_response", {"sync_url": "x" * 513}),
        ("heartbeat", {"audit_size": -1}),
        ("heartbeat", {"audit_size": 2**53}),
        ("heartbeat", {"audit_size": 1.5}),
        ("heartbeat", {"certificate_sha256": "AB" * 32}),
        ("heartbeat", {"instance_id": "x" * 65}),
        ("trust_update", {"anchors_pem": []}),
        ("trust_update", {"generation": 0}),
        ("trust_update", {"cross_certificates_pem": ["x"] * 9}),
        ("recover_request", {"proof": "AAAA" * 1000}),
        ("heartbeat", {"sent_at": "2026-06-01T12:00:00"}),
        ("heartbeat", {"bundle": {"snapshot_version": 1, "refused_version": -1}}),
        ("heartbeat", {"bundle": {"snapshot_version": 1, "refused_reason": "x" * 1025}}),
        ("heartbeat_reply", {"interval_s": 0}),
        ("heartbeat_reply", {"interval_s": 86_401}),
        ("heartbeat_reply", {"server_time": "0001-01-01T00:00:00+14:00"}),
        ("watch_reply", {"snapshot_version": 2**64}),
        ("audit_batch", {"events": []}),
        ("audit_batch", {"events": [""] * 1001}),
        ("audit_batch", {"checkpoint": "x" * 4097}),
        ("audit_batch", {"gaps": [{"seq": 0, "leaf_hash": "AB" * 32}]}),
        ("audit_batch", {"gaps": [{"seq": 0, "leaf_hash": "ab" * 31}]}),
        ("audit_receipt", {"size": 0}),
        ("audit_receipt", {"note": "x" * 8193}),
        ("sealed_secrets", {"version": 0}),
        ("error_body", {"code": "no_such_code"}),
    ],
)
def test_limits(name, fields):
    model, text = _altered(name, **fields)
    with pytest.raises(ValidationError):
        model.model_validate_json(text)


def test_the_limits_themselves_are_within():
    for name, fields in [
        ("heartbeat", {"audit_size": 2**53 - 1}),
        ("audit_batch", {"events": ["e"] * 1000}),
        ("anchors", {"anchors_pem": ["x" * 16_384] * 8}),
    ]:
        model, text = _altered(name, **fields)
        model.model_validate_json(text)


@pytest.mark.parametrize("model", MODELS)
@given(data=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_message_or_a_validation_error(model, data):
    try:
        message = model.model_validate_json(data)
    except ValidationError:
        return
    assert isinstance(message, model)


@pytest.mark.parametrize("model", [EnrolRequest, Heartbeat, AuditBatch, ErrorBody])
@given(data=st.data())
def test_any_values_in_the_right_places_are_a_message_or_a_validation_error(model, data):
    fields = {name: data.draw(JSON) for name in model.model_fields}
    try:
        message = model.model_validate_json(json.dumps(fields))
    except ValidationError:
        return
    assert model.model_validate_json(message.model_dump_json()) == message

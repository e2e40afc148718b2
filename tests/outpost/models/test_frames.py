import contextlib
import json
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.models.frames import (
    MAX_FRAME_BYTES,
    FrameInvalid,
    FrameReader,
    encode,
    finding_from_json,
    finding_to_json,
    result_from_json,
    result_to_json,
    settled_from_json,
    settled_to_json,
)
from outpost.models.results import ModelFinding, Settled, TextResult
from outpost.protocol.findings import Finding, Tier

FINDING = Finding("pii.person", 3, 9, 0.75, "tiny/entities", Tier.ENTITY_MODEL)
RESULT = TextResult(
    (ModelFinding(FINDING, "PERSON", 0.7, 0.5, (0, 20), (("ORG", 0.2), ("O", 0.1))),),
    {"attacks.jailbreak": 0.01},
    (0, 2),
    {"sentence": (0.6, 0.8)},
    12,
    2,
)
SETTLED = Settled(9, RESULT.findings, (1,), 5, 12, 2)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_messages_come_back_however_they_are_cut():
    sent = [{"id": 1, "text": "é\ud800\U0001f600"}, {}, {"x": [None]}]
    data = b"".join(map(encode, sent))
    for step in (1, 3, len(data)):
        reader = FrameReader()
        got = [message for at in range(0, len(data), step) for message in reader.feed(data[at : at + step])]
        assert got == sent


def test_findings_and_results_come_back():
    assert finding_from_json(json.loads(json.dumps(finding_to_json(FINDING)))) == FINDING
    arrived = result_from_json(json.loads(json.dumps(result_to_json(RESULT))))
    assert arrived == replace(RESULT, embeddings={})  # vectors stay where they were made
    assert settled_from_json(json.loads(json.dumps(settled_to_json(SETTLED)))) == SETTLED
    for upto in (8, -1):  # a finding cannot lie where nothing is settled
        with pytest.raises(FrameInvalid, match="nothing is settled"):
            settled_from_json(settled_to_json(replace(SETTLED, upto=upto)))


def test_a_frame_that_is_too_long_is_not_waited_for():
    with pytest.raises(FrameInvalid, match="too long"):
        FrameReader().feed(struct.pack(">I", MAX_FRAME_BYTES + 1))


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(content):
    with pytest.raises(FrameInvalid):
        FrameReader().feed(struct.pack(">I", len(content)) + content)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_give_messages_or_the_typed_error(parts):
    reader = FrameReader()
    for part in parts:
        try:
            messages = reader.feed(part)
        except FrameInvalid:
            return
        assert all(isinstance(message, dict) for message in messages)


@pytest.mark.parametrize(
    "value",
    [
        ["pii.x", 2, 1, 0.5, "d", 2], ["pii.x", -1, 1, 0.5, "d", 2], ["pii.x", 0, 1, 1.5, "d", 2],
        ["pii.x", 0, 1, float("nan"), "d", 2], ["pii.x", 0, 1, 0.5, "d", 4], [1, 0, 1, 0.5, "d", 2], [], None, "x",
    ],
)  # fmt: skip
def test_a_malformed_finding_is_refused(value):
    with pytest.raises(FrameInvalid):
        finding_from_json(value)


@given(JSON | st.dictionaries(st.sampled_from(sorted(result_to_json(RESULT))), JSON))
def test_any_value_gives_a_result_or_the_typed_error(value):
    try:
        result = result_from_json(value)
    except FrameInvalid:
        return
    assert isinstance(result, TextResult)


@given(st.sampled_from(sorted(result_to_json(RESULT))), JSON)
def test_any_change_of_a_result_gives_one_or_the_typed_error(name, value):
    with contextlib.suppress(FrameInvalid):
        assert isinstance(result_from_json(result_to_json(RESULT) | {name: value}), TextResult)


@given(
    JSON
    | st.dictionaries(st.sampled_from(list(settled_to_json(SETTLED))), JSON)
    | st.builds(
        lambda name, changed: settled_to_json(SETTLED) | {name: changed},
        st.sampled_from(list(settled_to_json(SETTLED))),
        JSON | st.integers() | st.lists(st.integers(), max_size=3),
    )
)
def test_any_json_is_what_is_settled_or_the_typed_error(value):
    with contextlib.suppress(FrameInvalid):
        settled = settled_from_json(value)
        assert all(0 <= item.finding.start < item.finding.end <= settled.upto for item in settled.findings)
        assert all(index >= 0 for index in settled.doubted)


@pytest.mark.parametrize(
    ("read", "good"), [(result_from_json, result_to_json(RESULT)), (settled_from_json, settled_to_json(SETTLED))]
)
def test_no_finding_is_doubted_by_counting_from_the_end(read, good):
    read(good | {"doubted": [0]})
    with pytest.raises(FrameInvalid):
        read(good | {"doubted": [0, -1]})

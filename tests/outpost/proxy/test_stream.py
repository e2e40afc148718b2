import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.engine import MAX_FINDINGS, default_engine
from outpost.errors import CouldNotInspect, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision
from outpost.proxy import sse, stream
from outpost.proxy.spans import Span, label, replace_spans
from outpost.proxy.stream import MAX_CHANNELS, MAX_HELD_BYTES, MAX_HELD_EVENTS
from outpost.proxy.surfaces.anthropic_messages import MessageStream
from outpost.proxy.surfaces.openai_chat import ChatStream
from outpost.proxy.unescape import Unescaper
from outpost.proxy.watched import Watch
from tests.fakes.models import HELD_CHARS, NAME, answered

ENGINE = default_engine()
CARD = "4111 1111 1111 1111"
EMAIL = "erika.mustermann@example.org"
PLAIN = [
    "hello ",
    "the year 2026, ",
    "a\nb",
    "ü",
    "\U0001f600",
    '{"a":',
    '"',
    "\\",
    "\\n",
    "\\u0041",
    "[1] ",
    "no. 12 ",
]
PLANTED = [CARD, EMAIL, "4111111111111111", f"({EMAIL})", f"\\n{CARD}", "erika\\u0040example.org", " "]
TEXTS = st.lists(st.sampled_from(PLAIN) | st.sampled_from(PLANTED) | st.text(max_size=4), max_size=8).map("".join)


def redacts(kinds):
    def decide(findings):
        hits = tuple(index for index, finding in enumerate(findings) if finding.kind in kinds)
        return Decision(Action.REDACT, "p/r", "", hits) if hits else Decision(Action.ALLOW, "p/default", "")

    return decide


def blocks(kinds):
    def decide(findings):
        hit = any(finding.kind in kinds for finding in findings)
        return Decision(Action.BLOCK if hit else Action.ALLOW, "p/r", "")

    return decide


def StreamInspector(engine, decide):  # noqa: N802 - what the tests were written for: a stream of chat completions
    return stream.StreamInspector(engine, decide, ChatStream())


def counting(_text, findings):
    return list(findings)


def watched(chunks, decide, *, whole=False):
    """The chunks through an inspector with models that find ``NAME``: what goes out after each, and the inspector."""
    watch, following = Watch(ENGINE, counting, whole=whole), {}
    inspector = stream.StreamInspector(ENGINE, decide, ChatStream(), watch=watch)
    batches = []
    for one in [*map(event, chunks), sse.Event(sse.encode(sse.DONE), sse.DONE)]:
        out = inspector.feed(one)
        if answered(watch, following):
            out += inspector.settle()
        batches.append(out)
    assert inspector.idle or inspector.blocked
    return batches, inspector


EVERYTHING = {detector.kind for detector in ENGINE.detectors}


def content(piece, index=0):
    return {"choices": [{"index": index, "delta": {"content": piece}, "finish_reason": None}]}


def arguments(piece, index=0, call=0):
    function = {"function": {"arguments": piece}}
    return {
        "choices": [{"index": index, "delta": {"tool_calls": [{"index": call, **function}]}, "finish_reason": None}]
    }


def event(chunk):
    data = json.dumps(chunk, ensure_ascii=False).encode()
    return sse.Event(sse.encode(data), data)


def finish(index=0):
    return {"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}


def run(inspector, chunks):
    """Everything that goes out, event by event."""
    out = []
    for chunk in chunks:
        out += inspector.feed(event(chunk))
    return out + inspector.feed(sse.Event(sse.encode(sse.DONE), sse.DONE))


def texts_of(out):
    """Joined texts as a client joins them, by channel."""
    joined = {}
    for raw in out:
        data = raw.removeprefix(b"data: ").strip()
        if data == sse.DONE:
            continue
        for choice in json.loads(data)["choices"]:
            delta = choice["delta"]
            name = (choice["index"], "content")
            joined[name] = joined.get(name, "") + (delta.get("content") or "")
            for call in delta.get("tool_calls", []):
                name = (choice["index"], call["index"])
                joined[name] = joined.get(name, "") + call["function"]["arguments"]
    return joined


def redacted(text):
    """What the whole text becomes, read as the stream reads it."""
    unescaper = Unescaper()
    findings = ENGINE.scan(unescaper.feed(text) + unescaper.finish())
    return replace_spans(
        text, [Span(unescaper.received(f.start), unescaper.received(f.end), label(f)) for f in findings]
    )


def pieces(text, rng):
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(10)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def interleaved(texts, rng):
    """Chunks of all channels, each channel in order, mixed at random."""
    queues = []
    for (index, name), text in texts.items():
        make = content if name == "content" else arguments
        more = {} if name == "content" else {"call": name}
        queues.append([make(piece, index, **more) for piece in pieces(text, rng)])
    chunks = []
    while queues:
        queue = rng.choice(queues)
        chunks.append(queue.pop(0))
        if not queue:
            queues.remove(queue)
    return chunks


CHANNELS = st.dictionaries(
    st.sampled_from([(0, "content"), (1, "content"), (0, 0), (0, 1), (1, 0)]), TEXTS, min_size=1, max_size=4
)


@settings(max_examples=300, deadline=None)
@given(CHANNELS, st.integers(0, 2**32))
def test_a_redacted_stream_says_what_the_redacted_texts_say(texts, seed):
    chunks = interleaved(texts, random.Random(seed))

    out = run(StreamInspector(ENGINE, redacts(EVERYTHING)), [*chunks, finish(0), finish(1)])

    said = texts_of(out)
    for name, text in texts.items():
        assert said.get(name, "") == redacted(text)


@settings(max_examples=200, deadline=None)
@given(CHANNELS, st.integers(0, 2**32))
def test_events_without_a_finding_go_on_as_they_came_and_in_order(texts, seed):
    chunks = [*interleaved(texts, random.Random(seed)), finish(0), finish(1)]
    received = [event(chunk).raw for chunk in chunks] + [sse.encode(sse.DONE)]

    assert run(StreamInspector(ENGINE, redacts(set())), chunks) == received

    out = run(StreamInspector(ENGINE, redacts(EVERYTHING)), chunks)
    assert len(out) == len(received)
    for before, after in zip(received, out, strict=True):
        assert after == before or b"[REDACTED:" in after or len(after) < len(before)


@settings(max_examples=300, deadline=None)
@given(CHANNELS, st.integers(0, 2**32))
def test_no_character_of_a_blocked_finding_is_released(texts, seed):
    inspector = StreamInspector(ENGINE, blocks({"pci.pan"}))
    out = run(inspector, interleaved(texts, random.Random(seed)))

    said = texts_of(out)
    has_card = False
    for name, text in texts.items():
        unescaper = Unescaper()
        found = [f for f in ENGINE.scan(unescaper.feed(text) + unescaper.finish()) if f.kind == "pci.pan"]
        has_card = has_card or bool(found)
        end = unescaper.received(found[0].start) if found else len(text)
        assert text[:end].startswith(said.get(name, ""))
    assert bool(inspector.blocked) == has_card
    assert has_card == (sse.encode(sse.DONE) not in out)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-2, 10**17)
        | st.floats(allow_nan=False)
        | st.sampled_from(["text", "image_url", CARD, "x", ""]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "delta",
                        "index",
                        "content",
                        "logprobs",
                        "tool_calls",
                        "id",
                        "usage",
                        "message",
                        "finish_reason",
                        "audio",
                        "token",
                        "created",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    ).map(lambda value: json.dumps({"choices": [value]}).encode())
)
def test_any_event_is_let_through_refused_or_blocked_and_nothing_else(data):
    inspector = StreamInspector(ENGINE, blocks({"pci.pan"}))
    try:
        out = inspector.feed(sse.Event(sse.encode(data), data)) + inspector.finish()
    except Rejected:
        return
    if inspector.blocked:
        assert CARD.encode() not in b"".join([*out, *inspector.closing_events()])
    else:
        assert out == [sse.encode(data)]


PLACES = {
    "content": {"content": CARD},
    "refusal": {"refusal": CARD},
    "reasoning": {"reasoning_content": CARD},
    "role": {"role": CARD},
    "name": {"tool_calls": [{"index": 0, "function": {"name": CARD}}]},
    "id": {"tool_calls": [{"index": 0, "id": CARD}]},
    "arguments": {"tool_calls": [{"index": 0, "function": {"arguments": f'{{"a":"{CARD}"}}'}}]},
    "number in arguments": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":4111111111111111}'}}]},
    "escaped arguments": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":"\\u0034111 1111 1111 1111"}'}}]},
    "line in arguments": {"tool_calls": [{"index": 0, "function": {"arguments": f'{{"a":"x\\n{CARD}"}}'}}]},
    "number": {"content": 4111111111111111},
    "whole number": {"x": 4111111111111111.0},
    "object name": {CARD: 1},
    "unknown field": {"x": {"y": [CARD]}},
    "transcript": {"audio": {"transcript": CARD}},
    "index": {"x": {"index": CARD}},
}
OUTSIDE = {
    "unknown top-level field": {"choices": [], "x": CARD},
    "unknown top-level name": {"choices": [], CARD: 1},
    "name below an unknown field": {"choices": [], "x": {CARD: 1}},
    "object in metadata": {"choices": [], "id": {"x": CARD}},
    "long metadata": {"choices": [], "id": "x" * 300 + " " + CARD},
    "text in usage": {"choices": [], "usage": {"note": CARD}},
    "name in usage": {"choices": [], "usage": {CARD: 1}},
    "finish reason": {"choices": [{"index": 0, "delta": {}, "finish_reason": CARD}]},
    "delta that is a text": {"choices": [{"index": 0, "delta": CARD}]},
    "message in a chunk": {"choices": [{"index": 0, "message": {"content": CARD}}]},
    "log probabilities": {"choices": [{"index": 0, "logprobs": {"content": [{"token": CARD, "logprob": -1}]}}]},
    "split log probabilities": {
        "choices": [{"index": 0, "logprobs": {"content": [{"token": CARD[:9]}, {"token": CARD[9:]}]}}]
    },
    "alternative token": {
        "choices": [{"index": 0, "logprobs": {"content": [{"token": "x", "top_logprobs": [{"token": CARD}]}]}}]
    },
}
CHUNKS = {
    **{name: {"choices": [{"index": 0, "delta": delta}]} for name, delta in PLACES.items()},
    **OUTSIDE,
}


@pytest.mark.parametrize("chunk", [pytest.param(chunk, id=name) for name, chunk in CHUNKS.items()])
def test_a_card_anywhere_in_a_chunk_is_found(chunk):
    blocking = StreamInspector(ENGINE, blocks({"pci.pan"}))
    out = b"".join([*run(blocking, [chunk]), *blocking.closing_events()])
    assert blocking.blocked
    assert b"4111" not in out
    assert b"1111" not in out

    redacting = StreamInspector(ENGINE, redacts({"pci.pan"}))
    out = b"".join(run(redacting, [chunk]))
    assert b"1111" not in out


@pytest.mark.parametrize(
    "delta",
    [
        {"audio": {"data": "UklGRg=="}},
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"content": [{"type": "hologram", "x": "y"}]},
    ],
)
def test_what_cannot_be_read_is_a_finding_and_cannot_be_redacted(delta):
    chunk = {"choices": [{"index": 0, "delta": delta}]}
    kinds = {"unscannable.audio", "unscannable.image", "unscannable.unknown"}
    for decide in (blocks(kinds), redacts(kinds)):
        inspector = StreamInspector(ENGINE, decide)
        assert run(inspector, [chunk]) == []
        assert inspector.blocked

    assert run(StreamInspector(ENGINE, blocks(set())), [chunk])[0] == event(chunk).raw


def test_a_policy_that_refuses_every_answer_needs_no_finding():
    inspector = StreamInspector(ENGINE, lambda _: Decision(Action.BLOCK, "p/default", ""))

    assert run(inspector, [content("hello ")]) == []
    assert inspector.blocked


def test_prose_is_held_back_to_the_unfinished_word_only():
    inspector = StreamInspector(ENGINE, blocks({"pci.pan"}))

    assert inspector.feed(event(content("so, "))) == [event(content("so, ")).raw]
    assert inspector.feed(event(content("tw"))) == []
    assert inspector.feed(event(content("igs grow"))) == [event(content("tw")).raw]


def test_a_cut_stream_ends_well_formed_for_each_open_choice():
    inspector = StreamInspector(ENGINE, blocks({"pci.pan"}))
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1.5, "model": "m"}
    chunks = [content("a ", 0) | head, content("b ", 1) | head, finish(1), content(CARD + " ", 0)]
    chunks[2] |= head

    out = run(inspector, chunks)
    closing = inspector.closing_events()

    assert texts_of(out) == {(0, "content"): "a ", (1, "content"): "b "}
    end = json.loads(closing[0].removeprefix(b"data: "))
    assert end["choices"] == [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]
    assert end["id"] == "c1"
    assert "created" not in end
    assert end["policy"] == {"action": "BLOCK", "rule_id": "p/r", "reason": ""}
    assert closing[1] == sse.encode(sse.DONE)


def test_a_text_that_goes_on_after_its_end_is_the_providers_fault():
    inspector = StreamInspector(ENGINE, blocks({"pci.pan"}))
    run(inspector, [content("4111 1111 1"), finish()])
    inspector.feed(event(content("")))

    with pytest.raises(Rejected) as refused:
        inspector.feed(event(content("111 1111 1")))
    assert refused.value.code is ErrorCode.PROVIDER_INVALID_RESPONSE


def test_log_probabilities_go_with_the_redacted_text():
    inspector = StreamInspector(ENGINE, redacts({"pii.email"}))
    chunk = content(EMAIL)
    chunk["choices"][0]["logprobs"] = {"content": [{"token": "unsuspicious", "logprob": -0.5, "bytes": [101]}]}

    out = run(inspector, [chunk, finish()])

    (choice,) = json.loads(out[0].removeprefix(b"data: "))["choices"]
    assert choice["logprobs"] is None
    assert choice["delta"]["content"] == "[REDACTED:pii.email]"


@pytest.mark.parametrize(
    "data",
    [
        b"not json",
        b"{}",
        b"[]",
        b'{"choices":{}}',
        b'{"choices":[1]}',
        b'{"choices":[{"index":"0"}]}',
        b'{"choices":[{"index":-1}]}',
        b'{"choices":[{"index":4111111111111111}]}',
        b'{"choices":[{"index":true}]}',
        b'{"error":{"message":"x"}}',
    ],
)
def test_what_is_no_chunk_is_the_providers_fault(data):
    inspector = StreamInspector(ENGINE, blocks(set()))

    with pytest.raises(Rejected) as refused:
        inspector.feed(sse.Event(sse.encode(data), data))
    assert refused.value.code is ErrorCode.PROVIDER_INVALID_RESPONSE


def feed_all(inspector, chunks):
    for chunk in chunks:
        inspector.feed(event(chunk))


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [content("-----BEGIN PRIVATE KEY-----\n"), *[content("x" * 1000)] * 20], id="a key that never ends"
        ),
        pytest.param([content("x"), *[content("y ", 1)] * (MAX_HELD_EVENTS + 1)], id="events behind one word"),
        pytest.param(
            [content("x"), *[content("y " * 400_000, 1)] * (MAX_HELD_BYTES // 800_000 + 1)], id="large events"
        ),
        pytest.param(
            [{"choices": [{"delta": {f"f{number}": "a "}}]} for number in range(MAX_CHANNELS + 1)], id="many texts"
        ),
        pytest.param([content(f"{EMAIL} " * 1000)] * (MAX_FINDINGS // 1000 + 1), id="many findings"),
    ],
)
def test_what_would_fill_the_memory_is_refused(chunks):
    inspector = StreamInspector(ENGINE, redacts(set()))

    with pytest.raises(CouldNotInspect) as refused:
        feed_all(inspector, chunks)
    assert refused.value.code is ErrorCode.INSPECTION_UNAVAILABLE


def test_usage_is_taken_from_the_stream_if_it_can_be():
    inspector = StreamInspector(ENGINE, blocks(set()))
    inspector.feed(event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": -1}}))
    inspector.feed(event({"choices": [], "usage": {"completion_tokens": 2**60}}))

    assert (inspector.prompt_tokens, inspector.completion_tokens) == (7, None)


NAMED = st.lists(st.sampled_from([*PLAIN, *PLANTED, NAME, "Ana ", "Silva ", "words and more words "]), max_size=12).map(
    "".join
)


def with_names(text):
    """``redacted``, and the names too."""
    unescaper = Unescaper()
    read = unescaper.feed(text) + unescaper.finish()
    spans = [(f.start, f.end, label(f)) for f in ENGINE.scan(read)]
    spans += [(*m.span(), "[REDACTED:pii.person]") for m in re.finditer(NAME, read)]
    received = [Span(unescaper.received(start), unescaper.received(end), instead) for start, end, instead in spans]
    return replace_spans(text, received)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from([(0, "content"), (1, "content"), (0, 0), (1, 0)]), NAMED, min_size=1, max_size=3),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_what_models_find_is_redacted_wherever_it_was_cut(texts, seed, whole):
    chunks = [*interleaved(texts, random.Random(seed)), finish(0), finish(1)]
    batches, _ = watched(chunks, redacts({*EVERYTHING, "pii.person"}), whole=whole)
    said = texts_of([out for batch in batches for out in batch])
    for name, text in texts.items():
        assert said.get(name, "") == with_names(text)
    if whole:  # each text waits for its end
        before = texts_of([out for batch in batches[: len(chunks) - 2] for out in batch])
        assert not any(before.values())


@settings(max_examples=100, deadline=None)
@given(NAMED, st.integers(0, 2**32))
def test_nothing_is_released_that_models_have_not_decided_about(text, seed):
    chunks = [*interleaved({(0, "content"): text}, random.Random(seed)), finish(0)]
    batches, inspector = watched(chunks, blocks({"pii.person"}))
    said = texts_of([out for batch in batches for out in batch]).get((0, "content"), "")
    assert NAME not in said
    # Fewer findings than there are names: nothing is read any more once one is blocked.
    assert bool(inspector.blocked) == (NAME in text)
    if not inspector.blocked:
        assert said == text


def test_text_goes_on_as_soon_as_models_have_decided():
    text = "words of an answer that goes on and on, " * 40
    chunks = [content(word) for word in re.findall(r"\S+\s*", text)]
    batches, _ = watched([*chunks, finish()], redacts(set()))
    behind, sent, received = [], 0, 0
    for chunk, batch in zip(chunks, batches, strict=False):
        received += len(chunk["choices"][0]["delta"]["content"])
        sent += sum(len(said) for said in texts_of(batch).values())
        behind.append(received - sent)
    assert max(behind[len(behind) // 2 :]) < 4 * HELD_CHARS + 64


def test_one_name_over_two_texts_of_a_run_is_found_by_models_too():
    def block(index, **more):
        return {"index": index, **more}

    texts = [f"long words before the name {NAME[:5]}", f"{NAME[5:]} and long words after the name. " + "x " * 60]
    events = [{"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [], "usage": {}}}]
    for index, text in enumerate(texts):
        events.append({"type": "content_block_start", **block(index, content_block={"type": "text", "text": ""})})
        events += [
            {"type": "content_block_delta", **block(index, delta={"type": "text_delta", "text": piece})}
            for piece in re.findall(r"\S+\s*|\s+", text)
        ]
        events.append({"type": "content_block_stop", **block(index)})
    events += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}, {"type": "message_stop"}]
    watch, following = Watch(ENGINE, counting), {}
    inspector = stream.StreamInspector(ENGINE, redacts({"pii.person"}), MessageStream(), watch=watch)
    said = ""
    for one in events:
        data, name = json.dumps(one).encode(), one["type"].encode()
        out = inspector.feed(sse.Event(sse.encode(data, name), data, name))
        if answered(watch, following):
            out += inspector.settle()
        for raw in out:
            sent = json.loads(raw.partition(b"data: ")[2])
            said += sent["delta"]["text"] if sent["type"] == "content_block_delta" else ""
    assert said == "".join(texts).replace(NAME, "[REDACTED:pii.person]")
    assert inspector.idle

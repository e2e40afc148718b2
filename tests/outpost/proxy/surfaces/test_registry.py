"""What holds for every surface."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.errors import Rejected
from outpost.proxy import sse
from outpost.proxy.json_document import walk
from outpost.proxy.surfaces.registry import SURFACES, dialect_of

# The words that the parsers look at, in places where nobody expects them.
WORDS = st.sampled_from(
    """
    model messages stream role content type text image_url file audio choices message delta index usage prompt_tokens
    completion_tokens finish_reason logprobs token top_logprobs prediction tool_calls id system source data document
    tool_use tool_result input content_block content_block_start content_block_delta content_block_stop message_start
    message_delta message_stop error input_tokens output_tokens text_delta thinking partial_json citation
    output item response output_index content_index item_id response.output_text.delta response.completed
    response.output_item.done arguments prompt embedding results object
    """.split()  # noqa: SIM905 - quoted words read worse
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**60) | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)
UNITS = st.lists(st.dictionaries(WORDS, VALUES, max_size=4), min_size=1, max_size=3)
ALL = [pytest.param(surface, id=surface.name) for surface in SURFACES.values()]


def bodies():
    def made(units, rest):
        members = dict.fromkeys(("messages", "choices", "content", "input", "output", "data", "results"), units)
        return json.dumps({"model": "m", "type": "message", **members, **rest}).encode()

    return (
        st.binary(max_size=60)
        | VALUES.map(lambda value: json.dumps(value).encode())
        | st.builds(made, UNITS, st.dictionaries(WORDS, VALUES, max_size=3))
    )


@pytest.mark.parametrize("surface", ALL)
@settings(max_examples=25)
@given(raw=bodies())
def test_any_bytes_are_read_or_refused_and_nothing_else(surface, raw):
    with contextlib.suppress(Rejected):
        assert surface.parse_request(raw).document.raw == raw
    with contextlib.suppress(Rejected):
        answer = surface.parse_answer(raw)
        assert answer.document.raw == raw
        for count in (answer.prompt_tokens, answer.completion_tokens):
            assert count is None or 0 <= count < 2**53


@pytest.mark.parametrize("surface", [surface for surface in ALL if surface.values[0].stream])
@settings(max_examples=25)
@given(events=st.lists(bodies(), max_size=4))
def test_any_events_are_read_or_refused_and_the_end_is_well_formed(surface, events):
    stream = surface.stream()
    for raw in events:
        with contextlib.suppress(Rejected):
            read = stream.read(sse.Event(sse.encode(raw), raw))
            assert read.ends or read.document.raw == raw
            stream.released(read, as_received=True)
    closing = b"".join(stream.closing_events(None))
    made = list(sse.EventReader(named=True).feed(closing))
    assert b"".join(event.raw for event in made) == closing
    for event in made:
        assert event.data == sse.DONE or json.loads(event.data)


@pytest.mark.parametrize("surface", ALL)
@settings(max_examples=25)
@given(units=UNITS, rest=st.dictionaries(WORDS | st.text(max_size=3), VALUES, max_size=3))
def test_every_leaf_of_a_request_but_vocabulary_is_in_a_segment(surface, units, rest):
    members = dict.fromkeys(("messages", "input", "prompt"), units)
    try:
        request = surface.parse_request(json.dumps({**rest, "model": "m", **members, "stream": None}).encode())
    except Rejected:
        return
    inspected = {leaf for segment in request.segments for leaf in segment.leaves}
    for leaf in walk(request.document):
        assert leaf in inspected or leaf.is_name or leaf.path[-1] in {"role", "type"}
        assert leaf in inspected or leaf.text.replace("_", "").replace(".", "").isalpha()


@pytest.mark.parametrize("surface", ALL)
def test_paths_and_names_are_those_of_the_api(surface):
    assert surface.path == "/v1" + surface.forward_path
    assert surface.name.startswith(surface.dialect.name + ".")
    assert dialect_of(surface.path) is surface.dialect


@pytest.mark.parametrize(
    ("path", "name"),
    [("/v1/messages/batches", "anthropic"), ("/v1/messagesx", "openai"), ("/", "openai"), ("/v1/models", "openai")],
)
def test_a_path_nobody_serves_is_refused_in_the_callers_own_words(path, name):
    assert path not in SURFACES
    assert dialect_of(path).name == name

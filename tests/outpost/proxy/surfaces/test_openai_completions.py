import json

import pytest

from outpost.dlp.engine import default_engine
from outpost.errors import Rejected
from outpost.protocol.decisions import Action, Decision
from outpost.proxy import sse
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces.openai_completions import SURFACE, parse_answer, parse_chunk, parse_request, token_findings

CARD = "4111 1111 1111 1111"


def block_all(findings):
    return Decision(Action.BLOCK if findings else Action.ALLOW, "p/r", "")


def chunk(text, **more):
    return json.dumps({"id": "c", "choices": [{"index": 0, "text": text, "finish_reason": None, **more}]}).encode()


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk("so 4111 11"), chunk("11 1111 1111")],
        [
            chunk("x", logprobs={"tokens": ["4111 1111"], "token_logprobs": [-0.1]}),
            chunk("y", logprobs={"tokens": [" 1111 1111"]}),
        ],
        [chunk("x", logprobs={"top_logprobs": [{CARD: -1}]})],
        [chunk("x", anything=CARD)],
    ],
)
def test_every_place_of_a_chunk_is_inspected(chunks):
    inspector = StreamInspector(default_engine(), block_all, SURFACE.stream())
    out = [raw for data in [*chunks, sse.DONE] for raw in inspector.feed(sse.Event(sse.encode(data), data))]
    assert inspector.blocked
    assert b"".join(out) in {b"", sse.encode(chunks[0])} or b"4111" not in b"".join(out)
    end = json.loads(inspector.closing_events()[0].removeprefix(b"data: "))
    assert end["choices"] == [{"index": 0, "text": "", "logprobs": None, "finish_reason": "content_filter"}]


@pytest.mark.parametrize(
    ("prompt", "found"), [("x", 0), (["x", "y"], 0), (None, 0), ([1, 2], 1), ([[1], [2]], 1), (["x", 1], 1), ([{}], 1)]
)
def test_token_numbers_are_no_text(prompt, found):
    assert len(token_findings(prompt)) == found


def test_prompts_are_segments_of_their_own():
    request = parse_request(b'{"model":"m","prompt":["a","b"]}')
    assert [one.name for one in request.segments] == ["prompt[0]", "prompt[1]", "body"]


@pytest.mark.parametrize(
    ("parse", "raw"),
    [(parse_answer, b"{}"), (parse_chunk, b"{}"), (parse_chunk, b'{"choices":[1]}'), (parse_request, b"{}")],
)
def test_what_is_no_completion_is_refused(parse, raw):
    with pytest.raises(Rejected):
        parse(raw)

"""A secret in any string of any request or answer does not pass, plain or streamed: it is found, or the body refused.

Requests: every leaf of the providers' published request schemas (shared data). Answers: every leaf of the types of
the official SDKs. Redacted, the secret is in no byte that goes on; blocked, nothing goes on.
"""

import json

import pytest
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from openai.types import Completion, CreateEmbeddingResponse, ModerationCreateResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from outpost.dlp.engine import default_engine
from outpost.errors import Rejected
from outpost.policy.evaluate import Facts, compile_policy
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.proxy import sse
from outpost.proxy.decide import judge
from outpost.proxy.seen import SeenTexts
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces.registry import SURFACES
from tests.outpost.proxy.setup import policy
from tests.outpost.proxy.surfaces.planting import SECRETS, answers, merged, planted, request_leaves, spelled

ENGINE = default_engine()
SCANNER = SeenTexts(ENGINE)
POLICIES = {action: compile_policy(policy(action)) for action in ("BLOCK", "REDACT")}
OPENAI, ANTHROPIC = "api-openai-openapi", "api-anthropic-fields"
CHAT = {"messages": [{"role": "user", "content": "hello"}]}
# Where each surface's leaves are published, and the least request of it.
REQUESTS = [
    ("/v1/chat/completions", OPENAI, "/chat/completions", CHAT),
    ("/v1/responses", OPENAI, "/responses", {"input": "hello"}),
    ("/v1/completions", OPENAI, "/completions", {"prompt": "hello"}),
    ("/v1/embeddings", OPENAI, "/embeddings", {"input": "hello"}),
    ("/v1/moderations", OPENAI, "/moderations", {"input": "hello"}),
    ("/v1/messages", ANTHROPIC, "/v1/messages?beta=true", CHAT),
    ("/v1/messages/count_tokens", ANTHROPIC, "/v1/messages/count_tokens?beta=true", CHAT),
]
USAGE = {"prompt_tokens": 1, "total_tokens": 1}
ANSWERS = [
    ("/v1/chat/completions", ChatCompletion, {"choices": []}),
    ("/v1/responses", Response, {"object": "response", "output": []}),
    ("/v1/completions", Completion, {"choices": []}),
    ("/v1/embeddings", CreateEmbeddingResponse, {"data": []}),
    ("/v1/moderations", ModerationCreateResponse, {"results": []}),
    ("/v1/messages", Message, {"type": "message", "content": []}),
    ("/v1/messages/count_tokens", MessageTokensCount, {"input_tokens": 1}),
]
STREAMS = [
    ("/v1/chat/completions", ChatCompletionChunk, {"choices": []}),
    ("/v1/completions", Completion, {"choices": []}),
    ("/v1/responses", ResponseStreamEvent, {}),
    ("/v1/messages", RawMessageStreamEvent, {}),
]
by_path = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)


def passing(parse, body, action):
    """The bytes that go on under a policy that wants ``action`` for whatever is found; ``None`` if refused."""
    try:
        parsed = parse(json.dumps(body).encode())
    except Rejected:
        return None
    facts = Facts("s", "m", "g", Direction.INPUT)
    return judge(SCANNER, POLICIES[action], facts, parsed, parse).body


def assert_does_not_pass(parse, body, secret, where):
    assert passing(parse, body, "BLOCK") is None, where
    redacted = passing(parse, body, "REDACT")
    for spelling in () if redacted is None else spelled(secret):
        assert spelling.encode() not in redacted, where


@by_path
@pytest.mark.parametrize(("path", "data", "published", "least"), REQUESTS, ids=[row[0] for row in REQUESTS])
def test_no_leaf_of_a_request_lets_a_secret_pass(path, data, published, least, secret):
    leaves = request_leaves(data, published)
    assert len(leaves) > 3
    assert_does_not_pass(SURFACES[path].parse_request, {"model": "m", **least, secret: 1}, secret, "a name")
    for leaf in [*leaves, "new.deep[].deeper", "logit_bias.*"]:
        body = merged({"model": "m", **least}, planted(leaf, secret))
        assert secret in json.dumps(body) or json.dumps(secret)[1:-1] in json.dumps(body)
        assert_does_not_pass(SURFACES[path].parse_request, body, secret, leaf)


@by_path
@pytest.mark.parametrize(("path", "kind", "least"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_no_leaf_of_an_answer_lets_a_secret_pass(path, kind, least, secret):
    for leaf, value in answers(kind, secret):
        assert_does_not_pass(SURFACES[path].parse_answer, least | value, secret, leaf)


def streamed(surface, body, action):
    """What goes out of a stream whose second event is ``body``, and whether it was cut."""

    def decide(findings):
        if not findings:
            return Decision(Action.ALLOW, "p/default", "")
        return Decision(Action(action), "p/r", "", tuple(range(len(findings))))

    inspector = StreamInspector(ENGINE, decide, surface.stream())
    data = json.dumps(body).encode()
    try:
        out = inspector.feed(sse.Event(sse.encode(data), data))
        out += inspector.closing_events() if inspector.blocked else inspector.finish()
    except Rejected:
        return b"", True
    return b"".join(out), inspector.blocked is not None


@by_path
@pytest.mark.parametrize(("path", "kind", "least"), STREAMS, ids=[row[0] for row in STREAMS])
def test_no_leaf_of_a_streamed_event_lets_a_secret_pass(path, kind, least, secret):
    seen = set()
    for leaf, value in answers(kind, secret):
        if leaf.startswith(".response.") and leaf in seen:
            continue  # six kinds of events carry the whole response
        seen.add(leaf)
        body = least | value
        out, cut = streamed(SURFACES[path], body, "BLOCK")
        assert cut or not any(spelling.encode() in out for spelling in spelled(secret)), (leaf, body)
        assert cut, (leaf, body)
        out, _ = streamed(SURFACES[path], body, "REDACT")
        for spelling in spelled(secret):
            assert spelling.encode() not in out, (leaf, body)

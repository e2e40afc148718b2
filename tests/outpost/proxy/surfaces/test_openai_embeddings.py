import base64
import json
import struct

import pytest

from outpost.errors import Rejected
from outpost.proxy.surfaces.openai_embeddings import is_vector, parse_answer, parse_request

VECTOR = base64.b64encode(struct.pack("<64f", *([0.5, -0.25] * 32))).decode()
CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    "text",
    [
        CARD,
        base64.b64encode(CARD.encode() * 8).decode(),
        base64.b64encode("Grüße aus Köln, viele! ".encode() * 4).decode(),
        base64.b64encode(struct.pack("<16f", *[float("inf")] * 16)).decode(),
        base64.b64encode(struct.pack("<16f", *[1e20] * 16)).decode(),
        VECTOR[:40],
        VECTOR + "\n",
        "ü",
    ],
)
def test_what_could_be_text_is_read_as_text(text):
    assert not is_vector(text)


def test_vectors_are_not_read_and_all_else_is():
    answer = {
        "data": [
            {"index": 0, "embedding": [0.25, 4111111111111111, -1]},
            {"index": 1, "embedding": VECTOR},
            {"index": 2, "embedding": ["x", 7]},
            {"index": 3, "embedding": CARD, "note": "y"},
        ],
        "usage": {"prompt_tokens": 5},
    }
    parsed = parse_answer(json.dumps(answer).encode())

    assert is_vector(VECTOR)
    assert parsed.segments[0].text.split("\n\x1e\n") == ["x", "7", CARD, "note", "y"]
    assert parsed.prompt_tokens == 5


@pytest.mark.parametrize(
    ("parse", "raw"),
    [(parse_answer, b"{}"), (parse_request, b'{"model":"m"}'), (parse_request, b'{"model":"m","input":7}')],
)
def test_what_is_no_embedding_is_refused(parse, raw):
    with pytest.raises(Rejected):
        parse(raw)

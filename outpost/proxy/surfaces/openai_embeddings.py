"""OpenAI embeddings: every text that is to become a vector is inspected; the vectors themselves are no text.

A vector is a list of numbers, or base64 of 32-bit floats; a string in its place that could be text is read as text.
An input of token numbers is a finding of kind ``unscannable.tokens``. Source: OpenAI API reference, /v1/embeddings.
"""

import binascii
import math
import struct
from typing import Any, Final

from outpost.proxy.json_document import Leaf
from outpost.proxy.segments import Located
from outpost.proxy.surfaces.dialects import OPENAI
from outpost.proxy.surfaces.openai_chat import usage
from outpost.proxy.surfaces.openai_completions import token_findings
from outpost.proxy.surfaces.reading import Layout, is_count, nothing, read_model, read_object, segments
from outpost.proxy.surfaces.surface import Answer, Request, Surface, invalid

_REQUEST: Final = Layout(items=frozenset({"input"}))
_ANSWER: Final = Layout(items=frozenset())
VECTOR: Final = "embedding"
# Components of embeddings lie between -1 and 1, unnormalised ones within a few hundred.
_MAX_COMPONENT: Final = 1e4
_MIN_VECTOR_BYTES: Final = 64  # 16 components; so many random bytes are never text


def parse_request(raw: bytes) -> Request:
    """Read a request body.

    Raises:
        Rejected: ``invalid_request``, naming the field that is wrong.
    """
    document = read_object(raw)
    body = document.value
    model = read_model(body)
    if not isinstance(body.get("input"), str | list):
        raise invalid("'input' must be a string or an array")
    parts = segments(document, _REQUEST, nothing)
    unreadable = tuple(Located(0, finding) for finding in token_findings(body["input"]))
    return Request(document, model, stream=False, segments=parts, unscannable=unreadable)


def parse_answer(raw: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        Rejected: It is not a list of embeddings.
    """
    document = read_object(raw)
    if not isinstance(document.value.get("data"), list):
        raise invalid("the answer is not a list of embeddings")
    parts = segments(document, _ANSWER, _is_no_text, vectors=VECTOR)
    return Answer(document, parts, (), usage(document.value)[0])


def is_vector(text: Any) -> bool:
    """Whether ``text`` is base64 of plausible 32-bit floats and cannot be text."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    if len(data) < _MIN_VECTOR_BYTES or len(data) % 4 or _is_text(data):
        return False
    return all(math.isfinite(one) and abs(one) <= _MAX_COMPONENT for (one,) in struct.iter_unpack("<f", data))


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_no_text(leaf: Leaf) -> bool:
    path = leaf.path
    if path[0] == "data" and path[-1] == VECTOR and not leaf.is_name and not leaf.is_number:
        return is_vector(leaf.text)
    return is_count(leaf, {"usage"}) or (leaf.is_number and path[0] == "data" and path[-1] == "index")


SURFACE: Final = Surface(
    name="openai.embeddings",
    path="/v1/embeddings",
    forward_path="/embeddings",
    dialect=OPENAI,
    parse_request=parse_request,
    parse_answer=parse_answer,
    noun="a list of embeddings",
)

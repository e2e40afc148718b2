"""OpenAI moderations: every text that is to be judged is inspected first; pictures among it are found.

Source: OpenAI API reference, /v1/moderations.
"""

from typing import Final

from outpost.proxy.surfaces import unscannable
from outpost.proxy.surfaces.dialects import OPENAI
from outpost.proxy.surfaces.reading import Layout, is_count, nothing, read_model, read_object, segments
from outpost.proxy.surfaces.surface import Answer, Request, Surface, invalid

DEFAULT_MODEL: Final = "omni-moderation-latest"
"""What the API uses when a request names no model; it decides where such a request goes."""
_REQUEST: Final = Layout(items=frozenset({"input"}))
_ANSWER: Final = Layout(items=frozenset())


def parse_request(raw: bytes) -> Request:
    """Read a request body.

    Raises:
        Rejected: ``invalid_request``, naming the field that is wrong.
    """
    document = read_object(raw)
    body = document.value
    model = read_model(body, DEFAULT_MODEL)
    given = body.get("input")
    if not isinstance(given, str | list):
        raise invalid("'input' must be a string or an array")
    parts = segments(document, _REQUEST, nothing)
    unreadable = tuple(unscannable.located([{"content": given}], parts, "input"))
    return Request(document, model, stream=False, segments=parts, unscannable=unreadable)


def parse_answer(raw: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        Rejected: It is not a list of judgements.
    """
    document = read_object(raw)
    if not isinstance(document.value.get("results"), list):
        raise invalid("the answer is not a moderation")
    return Answer(document, segments(document, _ANSWER, lambda leaf: is_count(leaf, {"results"})), ())


SURFACE: Final = Surface(
    name="openai.moderations",
    path="/v1/moderations",
    forward_path="/moderations",
    dialect=OPENAI,
    parse_request=parse_request,
    parse_answer=parse_answer,
    noun="a moderation",
)

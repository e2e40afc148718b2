"""What all surfaces read the same way: segments of a body, usage numbers, what is vocabulary and what is text.

Every string, object name and number of a body is inspected, whatever its name, so a field this version does
not know can hide nothing. Left out is only what is *not* text: the published schemas' own words, and numbers
that a provider counts.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from outpost.proxy import sse
from outpost.proxy.json_document import JsonDocument, Leaf, parse_json, walk
from outpost.proxy.segments import Segment, join
from outpost.proxy.surfaces.surface import StreamEvent, invalid

MAX_MODEL_CHARS: Final = 256  # providers' longest fine-tune names are below 128
MAX_INDEX: Final = 9_999  # OpenAI allows 128 choices; nothing can be written into so small a number
MAX_TOKENS: Final = 2**53 - 1  # RFC 8259 §6: JSON readers agree on integers up to here

# Names and enumerated values of the published schemas. They carry no text of anybody's, and leaving them out
# spares the scanner half of a short request. A value counts only under the names of ``ENUMERATED``.
VOCABULARY: Final = frozenset(
    """
    messages role content type text model stream tools function name description parameters properties required
    tool_choice tool_calls tool_call_id arguments user assistant system developer tool image_url url detail
    temperature top_p n max_tokens max_completion_tokens stop seed logprobs top_logprobs response_format
    json_schema schema strict stream_options include_usage metadata store frequency_penalty presence_penalty
    logit_bias parallel_tool_calls reasoning_effort service_tier object string number integer boolean array
    items enum index choices message delta finish_reason refusal annotations
    text_delta input_json_delta partial_json content_block content_block_start content_block_delta
    content_block_stop message_start message_delta message_stop thinking thinking_delta signature tool_use
    tool_result tool_use_id input input_schema cache_control ephemeral stop_reason stop_sequence usage end_turn
    citations top_k budget_tokens id
    instructions output output_text input_text input_tokens output_tokens item item_id output_index content_index
    sequence_number response reasoning summary summary_text function_call function_call_output call_id status
    completed in_progress previous_response_id prompt embedding data encoding_format dimensions token created model
    """.split()  # noqa: SIM905 - quoted words read worse
)
_JOINED: Final = frozenset({"text", "transcript"})  # members whose texts, one after the other, are one to a model
_COUNTED: Final = re.compile(r"[a-z_]{1,64}")  # names of counts as schemas have them
ENUMERATED: Final = frozenset({"role", "type"})
_ENUMERATED: Final = frozenset((name,) for name in ENUMERATED)


END: Final = StreamEvent(JsonDocument(sse.DONE, None), ends=True)
"""``[DONE]``, with which OpenAI's streams end."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which top-level members of a body are inspected as units of their own.

    Attributes:
        items: Arrays whose items are one unit each (one message, one choice).
        whole: Members that are one unit (a system prompt).
    """

    items: frozenset[str]
    whole: frozenset[str] = frozenset()


def segments(
    document: JsonDocument, layout: Layout, skip: Callable[[Leaf], bool], *, vectors: str | None = None
) -> tuple[Segment, ...]:
    """One segment per unit, one for the rest, and one for the seams of each unit that has several text parts.

    ``skip`` says which leaves are no text; ``vectors`` as ``walk`` takes it.
    """
    rest: list[Leaf] = []
    units: dict[tuple[str | int, ...], list[Leaf]] = {}
    for leaf in walk(document, left_out=VOCABULARY, vectors=vectors):
        if is_vocabulary(leaf) or skip(leaf):
            continue
        path = leaf.path
        first = path[0] if path else ""
        if first in layout.items and len(path) > 1 and isinstance(path[1], int):
            units.setdefault(path[:2], []).append(leaf)
        elif first in layout.whole:
            units.setdefault(path[:1], []).append(leaf)
        else:
            rest.append(leaf)
    made = [join(_name(unit), leaves) for unit, leaves in units.items()]
    for unit, leaves in units.items():
        parts = leaves[1:] and [leaf for leaf in leaves if leaf.path[-1] in _JOINED and not leaf.is_name]
        if len(parts) > 1:
            made.append(join(f"{_name(unit)}.content", parts, "", seams_only=True))
    if rest:
        made.append(join("body", rest))
    return tuple(made)


def _name(unit: tuple[str | int, ...]) -> str:
    return f"{unit[0]}[{unit[1]}]" if len(unit) > 1 else str(unit[0])


def nothing(_leaf: Leaf) -> bool:
    """Skip no leaf."""
    return False


def is_vocabulary(leaf: Leaf) -> bool:
    """Whether a leaf is a word of the published schema."""
    return (leaf.is_name or leaf.path[-1:] in _ENUMERATED) and leaf.text in VOCABULARY


def is_count(leaf: Leaf, names: Collection[object]) -> bool:
    """Whether a leaf is a number the provider counts, or the schema's name of one, under one of ``names``."""
    return leaf.path[0] in names and (leaf.is_number or (leaf.is_name and _COUNTED.fullmatch(leaf.text) is not None))


def read_object(raw: bytes) -> JsonDocument:
    """A body that is a JSON object.

    Raises:
        Rejected: ``invalid_request``.
    """
    document = parse_json(raw)
    if not isinstance(document.value, dict):
        raise invalid("the body must be a JSON object")
    return document


def read_model(body: dict[str, Any], default: str | None = None) -> str:
    """The model a request names, or ``default`` where the API has one.

    Raises:
        Rejected: ``invalid_request``.
    """
    model = body.get("model")
    if model is None and default is not None:
        return default
    if not isinstance(model, str) or not 0 < len(model) <= MAX_MODEL_CHARS:
        raise invalid(f"'model' must be a string of 1 to {MAX_MODEL_CHARS} characters")
    return model


def read_stream(body: dict[str, Any]) -> bool:
    """Whether a request asks for a stream.

    Raises:
        Rejected: ``invalid_request``.
    """
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise invalid("'stream' must be a boolean")
    return bool(stream)


def is_index(value: Any) -> TypeGuard[int]:
    """Whether ``value`` is a position in a list, too small to say anything."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INDEX


def tokens(value: Any) -> int | None:
    """A count of tokens, or ``None`` for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS else None

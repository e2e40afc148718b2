"""Which units of a request hold what nobody at this end has said: results of tools, documents, pages, and found texts.

Instructions in them are nobody's whom the model should obey, so whoever judges context is told (design §6, tier 3).
A unit that holds such content among other things counts as a whole.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from outpost.proxy.segments import Segment

_ROLES: Final = frozenset({"tool", "function"})
# Types of items and parts: what OpenAI calls ``…_output`` and ``…_call`` with results, Anthropic ``…_tool_result``.
_TYPES: Final = frozenset(
    """
    document file input_file search_result tool_result mcp_call mcp_list_tools web_search_call file_search_call
    code_interpreter_call web_search_result web_fetch_result
    """.split()  # noqa: SIM905 - quoted words read worse
)
_ENDS: Final = ("_output", "_tool_result", "_result_error")
MAX_DEPTH: Final = 4  # of content in content: a message, a tool's result, a search result, its text


def units(name: str, items: Sequence[Any]) -> frozenset[str]:
    """Names of those of ``items``, units called ``name``, that hold such content."""
    return frozenset(f"{name}[{index}]" for index, item in enumerate(items) if is_untrusted(item))


def is_untrusted(item: Any, depth: int = MAX_DEPTH) -> bool:
    """Whether a message, item or part holds such content."""
    if isinstance(item, list) and depth:
        return any(is_untrusted(one, depth) for one in item)
    if not isinstance(item, dict) or not depth:
        return False
    role, kind = item.get("role"), item.get("type")
    if role in _ROLES if isinstance(role, str) else False:
        return True
    if isinstance(kind, str) and (kind in _TYPES or kind.endswith(_ENDS)):
        return True
    return is_untrusted(item.get("content"), depth - 1)


def marked(segments: Sequence[Segment], untrusted: Collection[str]) -> tuple[Segment, ...]:
    """The segments, those of ``untrusted`` units marked."""
    if not untrusted:
        return tuple(segments)
    return tuple(
        segment._replace(untrusted=True) if segment.name.removesuffix(".content") in untrusted else segment
        for segment in segments
    )

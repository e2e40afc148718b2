"""Content that is no text, in the shapes of OpenAI, Anthropic and those who speak their APIs.

A content part of a type that this version does not know counts as unreadable: the policy decides about it.
"""

import binascii
from collections.abc import Iterator, Sequence
from typing import Any, Final

from outpost.documents.kinds import AUDIO, FILE, IMAGE, UNKNOWN_PART, VIDEO
from outpost.protocol.findings import Finding
from outpost.proxy.segments import Located, Segment
from outpost.proxy.surfaces.surface import DETECTOR, Attachment, Reference

# Types of content parts, and members, whose content is not text.
_KINDS: Final = {
    "image": IMAGE,
    "image_url": IMAGE,
    "image_file": IMAGE,
    "input_image": IMAGE,
    "computer_screenshot": IMAGE,
    "image_generation_call": IMAGE,
    "audio": AUDIO,
    "audio_url": AUDIO,
    "input_audio": AUDIO,
    "output_audio": AUDIO,
    "video": VIDEO,
    "video_url": VIDEO,
    "input_video": VIDEO,
    "document": FILE,
    "file": FILE,
    "input_file": FILE,
    "container_upload": FILE,
}
_CONTAINERS: Final = (list, dict)
# What a model passes to a tool: an object of the caller's own schema, in which "file" is a path and no content part.
_TOOL_USES: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_NAMING: Final = frozenset({"type", "file_id", "filename", "detail"})
_READABLE: Final = frozenset(
    """
    text input_text output_text refusal thinking redacted_thinking reasoning reasoning_text summary_text
    tool_use server_tool_use tool_result mcp_tool_use mcp_tool_result search_result web_search_result
    web_search_tool_result web_fetch_tool_result code_execution_tool_result code_execution_output
    bash_code_execution_tool_result bash_code_execution_output text_editor_code_execution_tool_result
    tool_search_tool_result tool_reference mid_conv_system compaction fallback advisor_tool_result
    """.split()  # noqa: SIM905 - quoted words read worse
)


def located(
    units: Sequence[Any],
    segments: Sequence[Segment],
    name: str,
    files: list[Attachment] | None = None,
    references: list[Reference] | None = None,
) -> Iterator[Located]:
    """What of each of ``units`` cannot be read, located in the segment of its unit.

    Files whose bytes stand in the body go to ``files`` instead, if that is given: they can be read (``documents/``).
    Files that are nothing but named go to ``references`` too: they may turn out to be known.
    """
    index_of = {segment.name: index for index, segment in enumerate(segments)}
    for position, unit in enumerate(units):
        for part, kind in _unreadable(unit):
            data = None if files is None else _file_bytes(part)
            if data is not None and files is not None:
                files.append(Attachment(f"{name}[{position}]", data))
                continue
            segment = index_of.get(f"{name}[{position}]", index_of.get(name, 0))
            found = Located(segment, Finding(kind, 0, 0, 1.0, DETECTOR))
            if references is not None and (file_id := _file_id(part)) is not None:
                references.append(Reference(f"{name}[{position}]", file_id, found))
            yield found


def unreadable(value: Any) -> Iterator[str]:
    """Kinds of unreadable content in ``value``, however deep."""
    return (kind for _, kind in _unreadable(value))


def _unreadable(value: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _unreadable(item)
    elif isinstance(value, dict):
        kind = _kind(value)
        if kind is not None and not _is_written_out(value):
            yield value, kind
            return
        is_tool_use = value.get("type") in _TOOL_USES if isinstance(value.get("type"), str) else False
        for name, member in value.items():
            if name == "input" and is_tool_use:
                continue
            if name == "content" and isinstance(member, list):
                yield from ((part, UNKNOWN_PART) for part in member if not _is_known(part))
            if isinstance(member, _CONTAINERS):
                yield from _unreadable(member)


def _kind(part: dict[str, Any]) -> str | None:
    by_type = _KINDS.get(part["type"]) if isinstance(part.get("type"), str) else None
    if by_type is not None or _KINDS.keys().isdisjoint(part):  # almost every part, so asked in one go
        return by_type
    return next((kind for name, kind in _KINDS.items() if part.get(name) is not None), None)


def _is_written_out(part: dict[str, Any]) -> bool:
    """A document whose text stands in the request (Anthropic: a source of type ``text`` or ``content``)."""
    if part.get("type") != "document" or not isinstance(part.get("source"), dict):
        return False
    source = part["source"]
    others = set(part) & set(_KINDS)
    if source.get("type") == "text":
        return not others and source.get("media_type") == "text/plain" and isinstance(source.get("data"), str)
    return not others and source.get("type") == "content" and isinstance(source.get("content"), str | list)


def _is_known(part: Any) -> bool:
    if not isinstance(part, dict):
        return isinstance(part, str)
    kind = part.get("type", "text")
    return (isinstance(kind, str) and kind in _READABLE) or _kind(part) is not None


def _file_bytes(part: Any) -> bytes | None:
    """The file in a part that holds nothing else, in OpenAI's or Anthropic's shape; ``None`` if it is elsewhere."""
    if not isinstance(part, dict) or len(set(part) & set(_KINDS)) > (1 if part.get("type") == "file" else 0):
        return None
    kind = part.get("type")
    if kind == "document":
        source = part.get("source")
        coded = source.get("data") if isinstance(source, dict) and source.get("type") == "base64" else None
    elif kind == "file" and isinstance(part.get("file"), dict):
        coded = _only_data(part["file"])
    else:
        coded = _only_data(part) if kind == "input_file" else None
    return _decoded(coded) if isinstance(coded, str) else None


def _file_id(part: Any) -> str | None:
    """The id in a part of OpenAI's that names a file and has nothing else."""
    if not isinstance(part, dict):
        return None
    kind = part.get("type") if isinstance(part.get("type"), str) else None
    holder = part.get("file") if kind == "file" and set(part) == {"type", "file"} else part
    if kind not in {"file", "input_file"} or not isinstance(holder, dict):
        return None
    others = {name for name in holder if holder[name] is not None} - _NAMING
    return holder["file_id"] if not others and isinstance(holder.get("file_id"), str) else None


def _only_data(holder: dict[str, Any]) -> Any:
    elsewhere = holder.get("file_id") is not None or holder.get("file_url") is not None
    return None if elsewhere else holder.get("file_data")


def _decoded(coded: str) -> bytes | None:
    """Bytes of base64, as it is or in a data URL (RFC 2397)."""
    if coded.startswith("data:"):
        head, _, coded = coded.partition(",")
        if not head.endswith(";base64"):
            return None
    try:
        return binascii.a2b_base64(coded.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return None

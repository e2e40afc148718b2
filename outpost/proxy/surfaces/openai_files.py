"""OpenAI files: an upload is a form with one file, whose text is read and inspected before any of it goes on.

Fields and names are inspected too. In a form nothing is redacted: a rule that wants that refuses the upload.
Source: OpenAI API reference, /v1/files (upload, file object).
"""

from typing import Final

from outpost.proxy.json_document import JsonDocument
from outpost.proxy.multipart import parse_form
from outpost.proxy.segments import SEPARATOR, Segment
from outpost.proxy.surfaces.dialects import OPENAI
from outpost.proxy.surfaces.reading import Layout, is_count, read_object, segments
from outpost.proxy.surfaces.surface import Answer, Attachment, Request, Surface, invalid

_ANSWER: Final = Layout(items=frozenset())
_COUNTS: Final = frozenset({"bytes", "created_at", "expires_at"})


def parse_upload(content_type: str, raw: bytes) -> Request:
    """Read an upload. It names no model.

    Raises:
        Rejected: ``invalid_request``: it is no form with exactly one file.
    """
    parts = parse_form(content_type, raw)
    files = [part for part in parts if part.filename is not None]
    if len(files) != 1 or files[0].name != "file":
        raise invalid("the form must have one file, in the field 'file'")
    said = [text for part in parts for text in (part.name, part.filename or "", part.content_type)]
    try:
        said += [part.data.decode() for part in parts if part.filename is None]
    except UnicodeDecodeError:
        raise invalid("a field of the form is not UTF-8") from None
    fields = Segment("form", (), SEPARATOR.join(said), ())
    return Request(JsonDocument(raw, None), "", False, (fields,), (), (Attachment("form", files[0].data),))


def parse_request(_raw: bytes) -> Request:
    """Refuse what is no form.

    Raises:
        Rejected: Always.
    """
    raise invalid("an upload must be a form (multipart/form-data)")


def parse_answer(raw: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        Rejected: It is not a file object.
    """
    document = read_object(raw)
    if document.value.get("object") != "file":
        raise invalid("the answer is not a file object")
    return Answer(document, segments(document, _ANSWER, lambda leaf: is_count(leaf, _COUNTS)), ())


SURFACE: Final = Surface(
    name="openai.files",
    path="/v1/files",
    forward_path="/files",
    dialect=OPENAI,
    parse_request=parse_request,
    parse_answer=parse_answer,
    noun="a file object",
    parse_form=parse_upload,
    repeatable=False,  # twice would be two files
)

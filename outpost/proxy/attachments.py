"""Files inside a request: read beside the event loop, then inspected with the rest of it.

The text of a file is a segment of its own without a place to redact in, so a rule that wants it redacted refuses the
request. A body in which a redaction changed a file is no longer the one that was read, and is refused too.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from outpost.documents.reader import DocumentReader, DocumentText
from outpost.protocol.findings import Finding
from outpost.proxy.segments import SEPARATOR, Located, Segment
from outpost.proxy.surfaces.surface import DETECTOR, Request, invalid

MAX_FILES: Final = 16  # each costs a process; chats of people have a handful

Read = Mapping[bytes, DocumentText]


async def read_attachments(request: Request, reader: DocumentReader) -> Read:
    """What is in the files of a request, by their bytes.

    Raises:
        CouldNotInspect: They cannot be read at the moment.
        Rejected: ``invalid_request``: there are more than ``MAX_FILES``.
    """
    files = dict.fromkeys(one.data for one in request.attachments)
    if len(files) > MAX_FILES:
        raise invalid(f"the body has more than {MAX_FILES} files")
    return {data: await reader.read(data) for data in files}


def with_attachments(request: Request, read: Read) -> Request:
    """The request with the texts of its files, which must be those of ``read``.

    Raises:
        Rejected: ``invalid_request``: it has others, or lost one.
    """
    if {one.data for one in request.attachments} != set(read):
        raise invalid("a file of the body has changed")
    segments, unscannable = list(request.segments), list(request.unscannable)
    for attachment in request.attachments:
        document = read[attachment.data]
        unscannable += (Located(len(segments), Finding(kind, 0, 0, 1.0, DETECTOR)) for kind in document.unread)
        segments.append(Segment(f"{attachment.unit}.file", (), SEPARATOR.join(document.texts), (), untrusted=True))
    return replace(request, segments=tuple(segments), unscannable=tuple(unscannable), attachments=())

"""Another model in a body that goes on: the name is put in place of the old one, and every other byte stays. Pure."""

import json
import re
from typing import Final

from outpost.proxy.json_document import parse_json, replace_texts, walk

_OPEN: Final = re.compile(rb"[ \t\n\r]*\{([ \t\n\r]*\})?")  # RFC 8259 §2


def with_model(body: bytes, model: str) -> bytes:
    """``body``, a JSON object, asking for ``model``; in front of the rest if it named none.

    Raises:
        Rejected: It is not JSON as ``parse_json`` takes it.
    """
    document = parse_json(body)
    for leaf in walk(document, embedded=False):
        if leaf.path == ("model",) and not leaf.is_name:
            return replace_texts(body, {(leaf.ordinal,): model})
    begin = _OPEN.match(body)
    if begin is None:
        return body  # no object: it names no model and has no place for one
    member = b'"model":' + json.dumps(model, ensure_ascii=False).encode()
    place = body.index(b"{") + 1
    return body[:place] + member + (b"" if begin[1] else b",") + body[place:]

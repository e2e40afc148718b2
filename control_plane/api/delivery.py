"""Sends a representation as its request asks for it: all, a part, nothing new (RFC 9110 §13.2.2, §14, §15.3.7).

The order of precedence is the RFC's: ``If-Match``, ``If-None-Match``, then ``Range`` with ``If-Range``, which count
for GET alone. Everything says how long it may be kept, by which tag it is asked for again, and that it varies by
encoding, also a 304.
"""

from http import HTTPStatus

from aiohttp import hdrs, web

from control_plane.api.shelf import Filed, Representation
from control_plane.conditional import Unsatisfiable, accepts_zstd, has_match, range_of

IMMUTABLE = "public, max-age=31536000, immutable"  # RFC 8246; a year is what caches take for "for ever"
REVALIDATE = "no-cache"  # it may be kept and has to be asked for each time


def deliver(request: web.Request, filed: Filed, content_type: str, caching: str) -> web.Response:
    """The answer to a GET or HEAD for ``filed``."""
    zstd = accepts_zstd(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))
    shown = filed.best(zstd=zstd)
    headers: dict[str, str] = {hdrs.CACHE_CONTROL: caching, hdrs.ETAG: shown.tag, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    none_match = request.headers.getall(hdrs.IF_NONE_MATCH, ())
    match = request.headers.getall(hdrs.IF_MATCH, ())
    if match and not has_match(match, shown.tag, weak=False):
        return web.Response(status=HTTPStatus.PRECONDITION_FAILED, headers=headers)
    if none_match and has_match(none_match, shown.tag):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers |= {hdrs.ACCEPT_RANGES: "bytes", hdrs.CONTENT_TYPE: content_type}
    if shown.encoding is not None:
        headers[hdrs.CONTENT_ENCODING] = shown.encoding
    return _whole_or_part(request, shown, headers)


def _whole_or_part(request: web.Request, shown: Representation, headers: dict[str, str]) -> web.Response:
    size = len(shown.content)
    asked = request.headers.get(hdrs.RANGE) if request.method == hdrs.METH_GET else None
    part = range_of(asked, request.headers.get(hdrs.IF_RANGE), shown.tag, size)
    if part is None:
        return web.Response(body=shown.content, headers=headers)
    if isinstance(part, Unsatisfiable):
        headers = {name: value for name, value in headers.items() if name != hdrs.CONTENT_ENCODING}
        headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
        return web.Response(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    headers[hdrs.CONTENT_RANGE] = f"bytes {part.first}-{part.last}/{size}"
    body = shown.content[part.first : part.last + 1]
    return web.Response(status=HTTPStatus.PARTIAL_CONTENT, body=body, headers=headers)

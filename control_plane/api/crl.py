"""Revocation lists over HTTP: DER, cached for a minute, asked for again by number (RFC 2585 §4.2, RFC 9110 §13)."""

import asyncio
from email.utils import format_datetime

from aiohttp import hdrs, web
from cryptography import x509

from control_plane.operations import Operations

MAX_AGE_S = 60  # the longest that a cache may not know of a revocation; our own listeners know at once


async def crl_response(operations: Operations, request: web.Request, key_id: str | None) -> web.Response:
    """The newest CRL of the intermediate with this key identifier (or that issues now); 304 if the caller has it."""
    crl = await asyncio.to_thread(operations.current_crl, key_id)
    tag = f'"{crl.authority}.{crl.number}"'
    headers = {
        hdrs.ETAG: tag,
        hdrs.CACHE_CONTROL: f"public, max-age={MAX_AGE_S}",
        hdrs.LAST_MODIFIED: format_datetime(crl.issued_at.replace(microsecond=0), usegmt=True),
    }
    if request.headers.get(hdrs.IF_NONE_MATCH) == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=crl.content, content_type="application/pkix-crl", headers=headers)


def authority_key_id(certificate: x509.Certificate) -> str | None:
    """The key identifier of whoever issued ``certificate``, in hexadecimal."""
    extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    identifier = extension.value.key_identifier
    return None if identifier is None else identifier.hex()

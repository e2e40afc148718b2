"""Uploaded files as their caller sees them: listed, described, read and deleted, each answer inspected on its way out.

A caller sees what was uploaded with the same key through this outpost, and nothing else of the provider's account.
What a file says is read and inspected like an answer; nothing is redacted in it, so a rule that wants that refuses it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar
from urllib.parse import quote

from aiohttp import web

from outpost.cache.uploads import Upload
from outpost.errors import Rejected
from outpost.policy.evaluate import Facts
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Direction
from outpost.protocol.routing import Provider
from outpost.proxy.decide import Inspectable
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.errors import Blocked
from outpost.proxy.exchange import Exchange
from outpost.proxy.headers import answer_headers
from outpost.proxy.inspection import inspected
from outpost.proxy.parts import ProxyParts
from outpost.proxy.redaction import Redactor
from outpost.proxy.surfaces import openai_file_objects
from outpost.proxy.surfaces.dialects import OPENAI
from outpost.proxy.uploads import Asking, Uploads, read_file

_CONTENT: Final = "/content"
_JSON: Final = "application/json"
_BYTES: Final = "application/octet-stream"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Released:
    """What goes to the client, once inspected: how it is read, and as what it goes."""

    parsed: Inspectable
    parse: Callable[[bytes], Inspectable]
    content_type: str = _JSON


class FileServer:
    """Serves what lies below ``/v1/files``, and the list itself."""

    def __init__(self, parts: ProxyParts, uploads: Uploads) -> None:
        self._parts = parts
        self._uploads = uploads

    async def serve(self, request: web.BaseRequest, exchange: Exchange, presented_key: str | None) -> web.Response:
        """Answer one request.

        Raises:
            Rejected: Refused; nothing was released. The caller audits it and answers with the envelope.
            OutpostError: Likewise, for lack of a resource.
        """
        at = self._parts.clock()
        enforcement = self._parts.admission.admit(at)
        exchange.bundle_version = enforcement.bundle.snapshot_version
        caller = enforcement.keys.authenticate(presented_key, at=at, address=exchange.address)
        exchange.caller = caller
        facts = Facts(openai_file_objects.NAME, "", caller.group, Direction.OUTPUT)
        asking = Asking(caller, enforcement, facts, at, frozenset())
        rest = request.rel_url.raw_path.removeprefix(openai_file_objects.PATH).removeprefix("/")
        if not rest:
            return await self._release(asking, exchange, await self._list(asking, exchange, request))
        if request.query:
            raise Rejected(ErrorCode.INVALID_REQUEST, "this path takes no query")
        upload = await self._own(rest.removesuffix(_CONTENT), asking)
        provider = _provider(enforcement, upload.provider)
        exchange.provider_id = provider.id
        path = f"/files/{quote(upload.file_id, safe='')}"
        if request.method == "DELETE" and not rest.endswith(_CONTENT):
            return await self._delete(asking, exchange, provider, path, upload)
        if rest.endswith(_CONTENT):
            return await self._release(asking, exchange, await self._content(provider, path))
        return await self._release(asking, exchange, await self._object(provider, path))

    async def _list(self, asking: Asking, exchange: Exchange, request: web.BaseRequest) -> _Released:
        page = openai_file_objects.read_page([*request.query.items()])
        own = await asyncio.to_thread(self._uploads.book.of_key, asking.caller.key_id, asking.at)
        files: list[object] = []
        for provider in asking.enforcement.bundle.routing.providers:
            ids = {file_id for name, file_id in own if name == provider.id}
            if ids:
                exchange.provider_id = provider.id
                raw = await self._get(provider, f"/files?limit={openai_file_objects.PAGE}")
                files += _understood(partial(openai_file_objects.own_files, raw, ids))
        listed = openai_file_objects.listed(files, page)
        return _Released(openai_file_objects.parse_list(listed), openai_file_objects.parse_list)

    async def _object(self, provider: Provider, path: str) -> _Released:
        raw = await self._get(provider, path)
        parse = openai_file_objects.parse_object
        return _Released(_understood(partial(parse, raw)), parse)

    async def _content(self, provider: Provider, path: str) -> _Released:
        data = await self._get(provider, path + _CONTENT)
        parsed = await read_file(self._parts.documents, data)
        return _Released(parsed, lambda _: parsed, _BYTES)

    async def _delete(
        self, asking: Asking, exchange: Exchange, provider: Provider, path: str, upload: Upload
    ) -> web.Response:
        async with self._parts.forwarder.delete(provider, path) as answer:
            raw = await self._parts.forwarder.read(answer)
        await asyncio.to_thread(self._uploads.book.forget, upload.file_id)
        parse = openai_file_objects.parse_object
        return await self._release(asking, exchange, _Released(_understood(partial(parse, raw)), parse))

    async def _get(self, provider: Provider, path: str) -> bytes:
        async with self._parts.forwarder.get(provider, path) as answer:
            return await self._parts.forwarder.read(answer)

    async def _own(self, file_id: str, asking: Asking) -> Upload:
        upload = None
        if openai_file_objects.FILE_ID.fullmatch(file_id):
            upload = await asyncio.to_thread(self._uploads.book.get, file_id, asking.at)
        if upload is None or upload.key_id != asking.caller.key_id:
            message = "no such file was uploaded with this API key through this outpost"
            raise Rejected(ErrorCode.NOT_FOUND, message)
        return upload

    async def _release(self, asking: Asking, exchange: Exchange, what: _Released) -> web.Response:
        parsed = what.parsed
        verdict = await inspected(
            self._parts.models, asking.enforcement, asking.facts, parsed, what.parse, Redactor(b"")
        )
        self._parts.metrics.count_findings(verdict.located, Direction.OUTPUT)
        exchange.output_decision = verdict.decision
        exchange.output_findings = [item.finding for item in verdict.located]
        if verdict.body is None:
            raise Blocked(verdict.decision, "answer")
        exchange.output_bytes = len(verdict.body)
        await self._parts.audit.submit(exchange.completion_event(self._parts.clock(), "ok", 200))
        headers = answer_headers(OPENAI, exchange, {})
        return web.Response(body=verdict.body, content_type=what.content_type, headers=headers)


def _provider(enforcement: Enforcement, provider_id: str) -> Provider:
    for provider in enforcement.bundle.routing.providers:
        if provider.id == provider_id:
            return provider
    raise Rejected(ErrorCode.NOT_FOUND, "the provider that has this file is no longer one of the policy bundle's")


def _understood(read: Callable[[], T]) -> T:
    try:
        return read()
    except Rejected as err:
        message = "the provider's answer is not what this path answers"
        raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message) from err

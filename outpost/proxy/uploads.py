"""Files that a request names by id: what they hold counts as if it stood in the request.

An upload is remembered with what was found in it. Those findings are judged again under the policy and for the
surface, model and group of the request that names the file. They hold only as long as whatever found them does: after
a change of detectors, lists, models or version the provider is asked for the file, which is looked at again and must
have the same digest. A file of another caller, of nobody, or that cannot be had again, is ``unscannable.file``.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from urllib.parse import quote

from outpost.budget.keys import Caller
from outpost.cache.uploads import Upload
from outpost.documents.reader import DocumentReader
from outpost.errors import CouldNotInspect, Rejected
from outpost.policy.evaluate import Facts
from outpost.protocol.documents import encode_document
from outpost.protocol.findings import Finding, Tier
from outpost.proxy.attachments import with_attachments
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.forward import Forwarder
from outpost.proxy.inspection import Models, inspected, look_for
from outpost.proxy.json_document import JsonDocument
from outpost.proxy.redaction import Redactor
from outpost.proxy.segments import Located, Segment
from outpost.proxy.surfaces.openai_file_objects import FILE_ID
from outpost.proxy.surfaces.reading import read_object
from outpost.proxy.surfaces.surface import Attachment, Request, invalid

KEPT_FOR: Final = timedelta(days=30)  # as long as OpenAI keeps files of a batch; a longer use is a new upload
MAX_REFERENCES: Final = 16  # as many as files in a body
_SCHEME: Final = b"hybrid-outpost upload v1"


@dataclass(frozen=True, slots=True)
class Asking:
    """Who uploads or names a file, under what is in force, for which surface and model, when, and to be sent where."""

    caller: Caller
    enforcement: Enforcement
    facts: Facts
    at: datetime
    providers: frozenset[str]


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What was found in a file, and the provider that has it."""

    found: tuple[Finding, ...]
    provider: str


Known = Mapping[str, KnownFile]
"""Files by id."""


class UploadBook(Protocol):
    """Where uploads are remembered (``outpost.cache.uploads.UploadStore``)."""

    def keep(self, upload: Upload, at: datetime) -> None:
        """Remember one."""

    def get(self, file_id: str, at: datetime) -> Upload | None:
        """The one with this id."""

    def of_key(self, key_id: str, at: datetime) -> frozenset[tuple[str, str]]:
        """``(provider, file id)`` of everything that one caller has."""

    def forget(self, file_id: str) -> None:
        """Forget one."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """What is known of uploads. ``version`` is the program's, whose detectors find things."""

    book: UploadBook
    forwarder: Forwarder
    documents: DocumentReader
    version: str
    models: Models | None = None
    _process: str = field(default_factory=lambda: secrets.token_hex(16))
    """Stands for models that do not say which they are: what they found holds as long as this process does."""
    _inspectors: dict[int, tuple[Enforcement, bytes]] = field(default_factory=dict)

    async def remember(
        self, data: bytes, found: Sequence[Located], asking: Asking, answer: bytes, provider: str
    ) -> None:
        """Remember an upload that passed. ``answer`` is the file object of the ``provider`` with this id.

        Raises:
            CacheUnavailable: It was not remembered, so the id will not be trusted.
        """
        file_id = read_object(answer).value.get("id")
        if not isinstance(file_id, str) or not FILE_ID.fullmatch(file_id):
            return  # it cannot be named in a request either
        upload = Upload(
            file_id,
            provider,
            asking.caller.key_id,
            hashlib.sha256(data).hexdigest(),
            self._inspected_by(asking.enforcement),
            self._looks(asking),
            _summary([item.finding for item in found]),
            asking.at,
            asking.at + KEPT_FOR,
        )
        await asyncio.to_thread(self.book.keep, upload, asking.at)

    async def known(self, request: Request, asking: Asking) -> Known:
        """Those files that ``request`` names, its caller may use and one of its providers has.

        Raises:
            Rejected: ``invalid_request``: there are more than ``MAX_REFERENCES``.
            CouldNotInspect: One must be looked at again, and cannot be at the moment.
            CacheUnavailable: It is not known what is known.
        """
        ids = dict.fromkeys(reference.file_id for reference in request.references)
        if len(ids) > MAX_REFERENCES:
            raise invalid(f"the body names more than {MAX_REFERENCES} files")
        known: dict[str, KnownFile] = {}
        for file_id in ids:
            upload = await asyncio.to_thread(self.book.get, file_id, asking.at)
            if upload is None or upload.key_id != asking.caller.key_id or upload.provider not in asking.providers:
                continue
            is_stale = upload.inspected_by != self._inspected_by(asking.enforcement)
            if is_stale or (self._looks(asking) and not upload.looked):
                upload = await self._again(upload, asking)
            if upload is not None:
                found = (Finding(kind, 0, 0, score, by, Tier(tier)) for kind, score, by, tier in upload.found)
                known[file_id] = KnownFile(tuple(found), upload.provider)
        return known

    def _looks(self, asking: Asking) -> bool:
        return look_for(self.models, asking.enforcement, asking.facts) is not None

    async def _again(self, upload: Upload, asking: Asking) -> Upload | None:
        """Look at a file again; ``None`` if the provider does not give it, or gives another."""
        providers = {provider.id: provider for provider in asking.enforcement.bundle.routing.providers}
        provider = providers.get(upload.provider)
        if provider is None:
            return None
        try:
            async with self.forwarder.get(provider, f"/files/{quote(upload.file_id, safe='')}/content") as answer:
                data = await self.forwarder.read(answer)
        except CouldNotInspect:
            raise
        except Rejected:
            return None
        if hashlib.sha256(data).hexdigest() != upload.sha256:
            return None
        found = await look_at(self.documents, self.models, asking, data)
        again = replace(
            upload,
            inspected_by=self._inspected_by(asking.enforcement),
            looked=self._looks(asking),
            found=_summary([item.finding for item in found]),
        )
        await asyncio.to_thread(self.book.keep, again, asking.at)
        return again

    def _inspected_by(self, enforcement: Enforcement) -> str:
        """What makes findings: program, detectors, lists, keys of lists and allow-lists, and the models."""
        if id(enforcement) not in self._inspectors:
            self._inspectors.clear()  # one is in force at a time; it is held, so that its id stays its own
            self._inspectors[id(enforcement)] = (enforcement, _inspectors(enforcement, self.version))
        pack = str(getattr(self.models, "digest", None) or self._process) if self.models is not None else ""
        return hashlib.sha256(self._inspectors[id(enforcement)][1] + pack.encode()).hexdigest()


async def look_at(documents: DocumentReader, models: Models | None, asking: Asking, data: bytes) -> Sequence[Located]:
    """Everything that is found in a file.

    Raises:
        CouldNotInspect: It cannot be inspected at the moment.
    """
    parsed = await read_file(documents, data)
    redactor = Redactor(b"")  # nothing is redacted in a file
    verdict = await inspected(models, asking.enforcement, asking.facts, parsed, lambda _: parsed, redactor)
    return verdict.located


async def read_file(documents: DocumentReader, data: bytes) -> Request:
    """A file as something that can be inspected.

    Raises:
        CouldNotInspect: It cannot be read at the moment.
    """
    bare = Request(JsonDocument(data, None), "", False, (), (), (Attachment("file", data),))
    return with_attachments(bare, {data: await documents.read(data)})


def with_uploads(request: Request, known: Known) -> Request:
    """The request with what was found in the files it names in place of their being unreadable."""
    segments, unscannable = list(request.segments), list(request.unscannable)
    for reference in request.references:
        if reference.file_id in known:
            unscannable.remove(reference.unread)
            unscannable += (Located(len(segments), finding) for finding in known[reference.file_id].found)
            segments.append(Segment(f"{reference.unit}.file", (), "", ()))
    return replace(request, segments=tuple(segments), unscannable=tuple(unscannable))


def _summary(found: Sequence[Finding]) -> tuple[tuple[str, float, str, int], ...]:
    """The highest score of each kind: a policy asks for kinds and scores, and for nothing else."""
    highest: dict[str, Finding] = {}
    for finding in found:
        if finding.kind not in highest or finding.score > highest[finding.kind].score:
            highest[finding.kind] = finding
    return tuple((one.kind, one.score, one.detector, int(one.tier)) for one in highest.values())


def _inspectors(enforcement: Enforcement, version: str) -> bytes:
    digest = hashlib.sha256(_SCHEME)
    bundle = enforcement.bundle
    lists = (
        part for name in sorted(bundle.lists) for part in (name.encode(), hashlib.sha256(bundle.lists[name]).digest())
    )
    keys = (name.encode() for name in (*sorted(enforcement.peppers), "", *sorted(enforcement.list_keys)))
    documents = (encode_document(bundle.detectors), encode_document(bundle.models))
    pack = b"" if bundle.pack is None else bundle.pack.digest.encode()
    for part in (version.encode(), *documents, pack, *lists, b"", *keys):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()

"""What is enforced right now: a verified bundle, opened secrets, a revocation; each replaced whole, between requests.

The app fills it from the cache at the start, the sync loop while running; requests read it through ``Admission``.
Making something ready takes up to seconds and happens beside the event loop; putting it in force is one step on it,
so a request sees the old whole or the new whole, and one that is under way keeps what it began with. A bundle's model
pack belongs to the bundle: it is fetched and loaded before, and takes over in the same step.
"""

import asyncio
import base64
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from outpost import collector
from outpost.cache.bundles import StoredBundle
from outpost.errors import BundleRejected, CacheUnavailable, CouldNotInspect, ModelUnavailable, PackInvalid
from outpost.models.options import Choice
from outpost.policy.bundle import load_bundle
from outpost.policy.compile import refuse_failed
from outpost.policy.pack import BundlePack
from outpost.policy.smoke import SmokeFailure, failures_of, model_cases
from outpost.protocol.document_set import Parsed
from outpost.protocol.model_card import ANY_TOPIC
from outpost.protocol.sealing import LIST_KEY_PREFIX, PEPPER_PREFIX, PROVIDER_PREFIX
from outpost.protocol.topics import TopicSet
from outpost.proxy.decide import Question
from outpost.proxy.enforcement import NO_LIST_KEYS, Admission, Enforcement, compile_bundle, with_peppers
from outpost.proxy.inspection import Look
from outpost.proxy.inspection import Models as Asked
from outpost.sync.loop import Applied
from outpost.sync.packs import FetchFiles, PackStore

Clock = Callable[[], datetime]
Offered = Callable[[], frozenset[str] | None]
"""The kinds that this outpost's models find; None if nobody knows yet."""


def no_models() -> frozenset[str]:
    """What an outpost without a model pack offers."""
    return frozenset()


class Models(Asked, Protocol):
    """What runs packs (``outpost.models.service.ModelService``)."""

    @property
    def problem(self) -> str | None:
        """Why no text can be inspected now."""

    async def prepare(self, choice: Choice | None, topics: TopicSet | None = None) -> None:
        """Make a pack ready beside the one in use, and let it read topics."""

    def use(self, choice: Choice | None) -> None:
        """Let this pack answer from now on."""


class Anchored(Protocol):
    """Whose policy is believed (``outpost.sync.identity.Identity``)."""

    @property
    def tuf_root(self) -> bytes:
        """The root metadata of the enrolment."""


class InForce:
    """What is enforced now: the bundle, the secrets, and the revocation; each replaced whole."""

    def __init__(  # noqa: PLR0913 - who it is, what is local, and where packs lie
        self,
        identity: Anchored,
        admission: Admission,
        local_keys: Mapping[str, str],
        clock: Clock,
        local_list_keys: Mapping[str, bytes] = NO_LIST_KEYS,
        offered: Offered = no_models,
        *,
        packs: PackStore | None = None,
        local_pack: Path | None = None,
    ) -> None:
        """``local_keys`` are of providers; both kinds of local keys win over those from the control plane.

        ``local_pack``, which has the ``offered`` kinds, counts for bundles that name no pack; ``packs`` is where those
        lie that a bundle names.
        """
        self._packs = packs
        self._local_pack = None if local_pack is None else Choice(local_pack)
        self._models: Models | None = None
        self._local_list_keys = local_list_keys
        self._identity = identity
        self._admission = admission
        self._local_keys = local_keys
        self._clock = clock
        self._offered = offered
        self._peppers: Mapping[str, bytes] = {}
        self._list_keys: Mapping[str, bytes] = local_list_keys
        self._provider_keys: Mapping[str, str] = {}
        self._parsed: Parsed | None = None
        self._accelerates = False
        self.applied: Applied | None = None
        self.stored: StoredBundle | None = None
        """The bundle in force, as received."""
        self.secrets: Mapping[str, str] | None = None
        """The opened secrets in force."""

    @property
    def tuf_root(self) -> bytes:
        """Whose policy is believed."""
        return self._identity.tuf_root

    def apply(self, stored: StoredBundle) -> None:
        """Make a stored bundle ready and put it in force, at the start, when there is nothing to hold up.

        Raises:
            BundleRejected: As ``prepare``; what was in force stays.
        """
        with collector.held(self._news_bytes(stored)):
            enforcement = self._ready(stored)
        self._put(stored, enforcement)

    async def prepare(self, stored: StoredBundle, fetch: FetchFiles | None = None) -> Callable[[], None]:
        """Verify a bundle from the enrolment root, compile it and try its smoke cases, in a thread; load its pack.

        Returns:
            Puts it in force, between two requests.

        Raises:
            BundleRejected: It does not verify, compile or decide as its smoke cases say, or its pack does not run here;
                what was in force stays.
            OutpostError: Its pack is not here and cannot be fetched now; likewise.
        """
        with collector.held(self._news_bytes(stored)):
            enforcement = await asyncio.to_thread(self._ready, stored)
        pack = enforcement.bundle.pack
        if pack is not None:
            await self._provided(pack, fetch)
        choice = self._choice(pack)
        offered = self._offered() if pack is None else pack.card.offered
        if self._models is not None:
            topics = enforcement.models.topics if ANY_TOPIC in (offered or ()) else None
            try:
                await self._models.prepare(choice, topics)
            except (PackInvalid, ModelUnavailable) as err:
                named = "the model pack in models_pack" if pack is None else f"its model pack {pack.label}"
                raise BundleRejected(f"{named} does not run here: {err}") from err
            await self._try_with_models(enforcement, choice, offered or ())
        return lambda: self._put(stored, enforcement)

    async def follow(self, stored: StoredBundle) -> Callable[[], None]:
        """``prepare`` in a worker: its parent has tried it, and has its model pack ready.

        Raises:
            BundleRejected: It does not verify or compile here.
        """
        with collector.held(self._news_bytes(stored)):
            enforcement = await asyncio.to_thread(self._ready, stored)
        return lambda: self._put(stored, enforcement)

    async def maintain(self, fetch: FetchFiles | None) -> None:
        """Make the pack of the bundle in force whole again if it is not, and remove others.

        Raises:
            OutpostError: It cannot be fetched now; until it can, what needs models is refused.
        """
        if self._packs is None:
            return
        pack = None if self._admission.enforcement is None else self._admission.enforcement.bundle.pack
        if pack is not None:
            doubted = self._models is not None and self._models.problem is not None
            await self._packs.provide(fetch, pack, doubted=doubted)
        await asyncio.to_thread(self._packs.keep_only, () if pack is None else (pack.digest,))

    async def _try_with_models(self, enforcement: Enforcement, choice: Choice | None, offered: Collection[str]) -> None:
        """Run the smoke cases that expect what only models find, by the pack that this bundle will be enforced with.

        Raises:
            BundleRejected: A case comes out differently.
            ModelUnavailable: Its pack says nothing now; the bundle is tried again later.
        """
        cases = model_cases(enforcement.bundle.smoke, enforcement.models.offered(offered))
        if self._models is None or choice is None or (choice.digest is None and choice != self.choice):
            return  # a local pack in the place of a bundle's can be asked only when it is in force
        look, failed = Look(self._models, enforcement), list[SmokeFailure]()
        for case in cases:
            try:
                (found,) = await look.answer([Question(case.text, enforcement.engine.scan(case.text))])
            except CouldNotInspect as err:
                raise ModelUnavailable(f"smoke case {case.id} cannot be tried: {err.message}") from err
            failed += failures_of(case, found, enforcement.policy)
        refuse_failed(failed)

    @property
    def choice(self) -> Choice | None:
        """The pack that answers for what is in force: the bundle's; the local one for a bundle that names none."""
        now = self._admission.enforcement
        return self._choice(None if now is None else now.bundle.pack)

    def attach(self, models: Models) -> None:
        """From now on a bundle's pack is made ready with ``models``, which begin with ``choice``."""
        self._models = models

    def pack_report(self) -> dict[str, Any] | None:
        """For ``/health``: the pack that the bundle demands, and whether it is here; None if it demands none."""
        pack = None if self._admission.enforcement is None else self._admission.enforcement.bundle.pack
        coming = None if self._packs is None else self._packs.coming
        if pack is None:
            return None if coming is None else {"fetching": coming}
        card = pack.card
        return {"name": card.name, "version": card.version, "digest": pack.digest, "fetching": coming}

    def _choice(self, pack: BundlePack | None) -> Choice | None:
        if pack is None or self._packs is None:
            return self._local_pack
        return Choice(self._packs.folder(pack), pack.digest)

    async def _provided(self, pack: BundlePack, fetch: FetchFiles | None) -> None:
        if self._packs is None:
            raise CacheUnavailable("there is nowhere to keep the bundle's model pack")
        await self._packs.provide(fetch, pack)

    def _put(self, stored: StoredBundle, enforcement: Enforcement) -> None:
        self._admission.enforcement = enforcement
        self.stored = stored
        if self._models is not None:
            self._models.use(self.choice)
        self._parsed = Parsed(stored.documents, enforcement.bundle.documents)
        self.applied = Applied(enforcement.bundle.snapshot_version, self._clock())
        if self._accelerates:
            self.accelerate()

    def accelerate(self) -> None:
        """Let the engine in force change over to its faster prefilter, and later those of the bundles to come.

        It takes seconds, beside the requests; nobody waits for it, not even when the process ends.
        """
        self._accelerates = True
        now = self._admission.enforcement
        if now is not None:
            threading.Thread(target=now.engine.accelerate, name="accelerate", daemon=True).start()

    def _ready(self, stored: StoredBundle) -> Enforcement:
        bundle = load_bundle(
            self._identity.tuf_root,
            roots=stored.roots,
            timestamp=stored.timestamp,
            snapshot=stored.snapshot,
            targets=stored.targets,
            documents=stored.documents,
            delegated=stored.delegated,
            before=self._parsed,
        )
        offered = self._offered() if bundle.pack is None else bundle.pack.card.offered
        return compile_bundle(bundle, self._peppers, self._admission.enforcement, self._list_keys, offered)

    def _news_bytes(self, stored: StoredBundle) -> int:
        """How large the documents are that will be read anew."""
        known = {} if self._parsed is None else self._parsed.contents
        return sum(len(content) for name, content in stored.documents.items() if known.get(name) != content)

    def apply_secrets(self, secrets: Mapping[str, str]) -> None:
        """Put opened secrets in force, at the start; keys whose pepper has come or gone change at once."""
        keys = self._keys(secrets)
        self._put_secrets(secrets, *keys, self._again(*keys))

    async def change_secrets(self, secrets: Mapping[str, str]) -> None:
        """``apply_secrets`` while requests are served: what takes long runs in a thread."""
        keys = self._keys(secrets)
        self._put_secrets(secrets, *keys, await asyncio.to_thread(self._again, *keys))

    def _keys(self, secrets: Mapping[str, str]) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
        """Peppers and list keys."""
        return _digest_keys(secrets, PEPPER_PREFIX), {
            **_digest_keys(secrets, LIST_KEY_PREFIX),
            **self._local_list_keys,
        }

    def _again(self, peppers: Mapping[str, bytes], list_keys: Mapping[str, bytes]) -> Enforcement | None:
        now = self._admission.enforcement
        return None if now is None else with_peppers(now, peppers, list_keys)

    def _put_secrets(
        self,
        secrets: Mapping[str, str],
        peppers: Mapping[str, bytes],
        list_keys: Mapping[str, bytes],
        enforcement: Enforcement | None,
    ) -> None:
        self.secrets = secrets
        self._peppers = peppers
        # A bundle in force keeps the keys it was made ready with; the next one has to do with these.
        self._list_keys = list_keys
        self._provider_keys = {
            name.removeprefix(PROVIDER_PREFIX): value
            for name, value in secrets.items()
            if name.startswith(PROVIDER_PREFIX)
        }
        self._admission.enforcement = enforcement

    def set_revoked(self, revoked: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        """Refuse everybody, or no longer."""
        self._admission.revoked = revoked

    def provider_key(self, key_id: str) -> str | None:
        """The API key of this id (a provider's own, unless it has several): the local one, else the control plane's."""
        return self._local_keys.get(key_id) or self._provider_keys.get(key_id)


def _digest_keys(secrets: Mapping[str, str], prefix: str) -> dict[str, bytes]:
    return {
        name.removeprefix(prefix): base64.b64decode(value) for name, value in secrets.items() if name.startswith(prefix)
    }

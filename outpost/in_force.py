"""What is enforced right now: a verified bundle, opened secrets, a revocation; each replaced whole, between requests.

The app fills it from the cache at the start, the sync loop while running; requests read it through ``Admission``.
Making something ready takes up to seconds and happens beside the event loop; putting it in force is one assignment on
it, so a request sees the old whole or the new whole, and one that is under way keeps what it began with.
"""

import asyncio
import base64
import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from outpost import collector
from outpost.cache.bundles import StoredBundle
from outpost.policy.bundle import load_bundle
from outpost.protocol.document_set import Parsed
from outpost.protocol.sealing import LIST_KEY_PREFIX, PEPPER_PREFIX, PROVIDER_PREFIX
from outpost.proxy.enforcement import NO_LIST_KEYS, Admission, Enforcement, compile_bundle, with_peppers
from outpost.sync.identity import Identity
from outpost.sync.loop import Applied

Clock = Callable[[], datetime]
Offered = Callable[[], frozenset[str] | None]
"""The kinds that this outpost's models find; None if nobody knows yet."""


def no_models() -> frozenset[str]:
    """What an outpost without a model pack offers."""
    return frozenset()


class InForce:
    """What is enforced now: the bundle, the secrets, and the revocation; each replaced whole."""

    def __init__(
        self,
        identity: Identity,
        admission: Admission,
        local_keys: Mapping[str, str],
        clock: Clock,
        local_list_keys: Mapping[str, bytes] = NO_LIST_KEYS,
        offered: Offered = no_models,
    ) -> None:
        """``local_keys`` are of providers; both kinds of local keys win over those from the control plane."""
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

    def apply(self, stored: StoredBundle) -> None:
        """Make a stored bundle ready and put it in force, at the start, when there is nothing to hold up.

        Raises:
            BundleRejected: As ``prepare``; what was in force stays.
        """
        with collector.held(self._news_bytes(stored)):
            enforcement = self._ready(stored)
        self._put(stored, enforcement)

    async def prepare(self, stored: StoredBundle) -> Callable[[], None]:
        """Verify a bundle from the enrolment root, compile it and try its smoke cases, in a thread.

        Returns:
            Puts it in force, between two requests.

        Raises:
            BundleRejected: It does not verify, compile or decide as its smoke cases say; what was in force stays.
        """
        with collector.held(self._news_bytes(stored)):
            enforcement = await asyncio.to_thread(self._ready, stored)
        return lambda: self._put(stored, enforcement)

    def _put(self, stored: StoredBundle, enforcement: Enforcement) -> None:
        self._admission.enforcement = enforcement
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
        return compile_bundle(bundle, self._peppers, self._admission.enforcement, self._list_keys, self._offered())

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

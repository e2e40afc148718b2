"""What is enforced right now: a verified bundle, opened secrets, a revocation; each replaced whole, between requests.

The app fills it from the cache at the start, the sync loop while running; requests read it through ``Admission``.
"""

import base64
from collections.abc import Callable
from datetime import datetime

from outpost.cache.bundles import StoredBundle
from outpost.policy.bundle import load_bundle
from outpost.protocol.sealing import PEPPER_PREFIX, PROVIDER_PREFIX
from outpost.proxy.enforcement import Admission, compile_bundle
from outpost.sync.identity import Identity
from outpost.sync.loop import Applied

Clock = Callable[[], datetime]


class InForce:
    """What is enforced now: the bundle, the secrets, and the revocation; each replaced whole."""

    def __init__(self, identity: Identity, admission: Admission, local_keys: dict[str, str], clock: Clock) -> None:
        self._identity = identity
        self._admission = admission
        self._local_keys = local_keys
        self._clock = clock
        self._peppers: dict[str, bytes] = {}
        self._provider_keys: dict[str, str] = {}
        self.applied: Applied | None = None

    def apply(self, stored: StoredBundle) -> None:
        """Verify a stored bundle from the enrolment root and put it in force between two requests.

        Raises:
            BundleRejected: It does not verify or cannot be read; what was in force stays.
        """
        bundle = load_bundle(
            self._identity.tuf_root,
            roots=stored.roots,
            timestamp=stored.timestamp,
            snapshot=stored.snapshot,
            targets=stored.targets,
            documents=stored.documents,
        )
        self._admission.enforcement = compile_bundle(bundle, self._peppers)
        self.applied = Applied(bundle.snapshot_version, self._clock())

    def apply_secrets(self, secrets: dict[str, str]) -> None:
        """Put opened secrets in force; keys whose pepper has come or gone change at once."""
        self._peppers = {
            name.removeprefix(PEPPER_PREFIX): base64.b64decode(value)
            for name, value in secrets.items()
            if name.startswith(PEPPER_PREFIX)
        }
        self._provider_keys = {
            name.removeprefix(PROVIDER_PREFIX): value
            for name, value in secrets.items()
            if name.startswith(PROVIDER_PREFIX)
        }
        if self._admission.enforcement is not None:
            self._admission.enforcement = compile_bundle(self._admission.enforcement.bundle, self._peppers)

    def set_revoked(self, revoked: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        """Refuse everybody, or no longer."""
        self._admission.revoked = revoked

    def provider_key(self, provider_id: str) -> str | None:
        """The API key for a provider: the local one, else the one from the control plane."""
        return self._local_keys.get(provider_id) or self._provider_keys.get(provider_id)

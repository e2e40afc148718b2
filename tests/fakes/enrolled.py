"""A data directory as enrolment and synchronisation leave it, filled from a ``FakeControlPlane`` without a socket."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from control_plane import bundles
from control_plane.signing import VIRTUAL_KEYS
from outpost.cache.bundles import BundleStore, SecretStore, StoredBundle, StoredSecrets
from outpost.cache.db import open_database
from outpost.protocol.sealing import seal_secrets, secrets_info
from outpost.sync.enrol import register
from outpost.sync.identity import Identity
from tests.fakes.control_plane import FakeControlPlane

URL = "https://control-plane.test:8100"


def enrol(
    plane: FakeControlPlane, data_dir: Path, clock: Callable[[], datetime], outpost_id: str = "edge-1"
) -> Identity:
    """Enrol ``data_dir``."""
    return register(URL, plane.create_token(outpost_id), data_dir, transport=plane.transport(), clock=clock)


def stored_bundle(plane: FakeControlPlane) -> StoredBundle:
    """What a refresh of the newest publication would store."""

    def newest(role: str) -> bytes:
        content = plane.store.metadata(plane.org_id, role, plane.store.latest_version(plane.org_id, role))
        assert content is not None
        return content

    roots = range(2, plane.store.latest_version(plane.org_id, "root") + 1)
    return StoredBundle(
        roots=tuple(plane.store.files["root", version] for version in roots),
        timestamp=newest("timestamp"),
        snapshot=newest("snapshot"),
        targets=newest("targets"),
        documents=bundles.current_documents(plane.store, plane.org_id),
        delegated={VIRTUAL_KEYS: newest(VIRTUAL_KEYS)},
    )


def stored_secrets(plane: FakeControlPlane, identity: Identity) -> StoredSecrets:
    """The plane's secrets, sealed to ``identity``."""
    info = secrets_info(plane.org_id, identity.outpost_id, plane.secrets_version)
    return StoredSecrets(plane.secrets_version, seal_secrets(plane.secrets, identity.keys.hpke.public_bytes, info))


def fill_cache(plane: FakeControlPlane, identity: Identity, data_dir: Path, *, with_secrets: bool = True) -> None:
    """Store bundle and secrets as a synchronised outpost has them."""
    with open_database(data_dir / "outpost.db") as database:
        BundleStore(database).save(stored_bundle(plane))
        if with_secrets:
            SecretStore(database).save(stored_secrets(plane, identity))

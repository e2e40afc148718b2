"""From what lies on disk to what is in force: the cached secrets and the cached bundle, both verified again."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from outpost.cache.bundles import BundleStore, SecretStore
from outpost.config import Config
from outpost.errors import ControlPlaneUntrusted, Untrusted
from outpost.in_force import InForce
from outpost.local_keys import local_list_keys, local_provider_keys
from outpost.models.pack import DEFAULT, pack_folder
from outpost.protocol.messages import SealedSecrets
from outpost.proxy.enforcement import Admission
from outpost.sync.identity import Identity
from outpost.sync.packs import PACKS, PackStore
from outpost.sync.secrets import open_secrets
from outpost.wiring import offered_kinds

log = structlog.get_logger(__name__)


def make_in_force(config: Config, identity: Identity, admission: Admission, clock: Callable[[], datetime]) -> InForce:
    """What will hold what is in force; nothing is yet.

    Raises:
        ConfigError: A key file cannot be read.
    """
    at_hand = [pack_folder(Path(DEFAULT)), *([] if config.models_pack is None else [pack_folder(config.models_pack)])]
    return InForce(
        identity,
        admission,
        local_provider_keys(config),
        clock,
        local_list_keys(config),
        partial(offered_kinds, config.models_pack),
        packs=PackStore(config.data_dir / PACKS, at_hand),
        local_pack=config.models_pack,
    )


def restore(in_force: InForce, identity: Identity, secrets: SecretStore, bundles: BundleStore) -> str | None:
    """Put in force what is stored; why the bundle was refused, or None.

    Neither is fatal and neither is open: what cannot be verified is not in force, and requests are refused.

    Raises:
        OutpostError: The stores cannot be read.
    """
    sealed = secrets.load()
    if sealed is not None:
        try:
            message = SealedSecrets.model_construct(version=sealed.version, sealed=sealed.sealed)
            in_force.apply_secrets(open_secrets(identity, message))
        except ControlPlaneUntrusted as err:
            log.error("cached_secrets_refused", reason=str(err))
    try:
        stored = bundles.load()
        if stored is not None:
            in_force.apply(stored)
    except Untrusted as err:
        log.error("cached_bundle_refused", reason=str(err))
        return str(err)
    return None

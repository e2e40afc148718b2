"""The secrets of an org: its peppers, list keys and providers' keys, wrapped at rest and sealed on the way out.

They leave the control plane only sealed to the key of one outpost of that org (``outpost.protocol.sealing``). The
version counts changes; an outpost that has the newest version has every secret.
"""

import base64
import hmac
import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol

from control_plane.errors import InvalidRequest, NotFound
from control_plane.keys import PEPPER_BYTES
from control_plane.outposts import OutpostRecord
from control_plane.wrapping import Wrapper
from outpost.protocol.ids import ID_PATTERN
from outpost.protocol.list_file import ListKey
from outpost.protocol.messages import SealedSecrets
from outpost.protocol.sealing import LIST_KEY_PREFIX, PEPPER_PREFIX, PROVIDER_PREFIX, seal_secrets, secrets_info

_PROVIDER_NAME = re.compile(f"{PROVIDER_PREFIX}{ID_PATTERN}")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")  # it becomes an HTTP header value: no white space, no control characters
MAX_SECRET_CHARS = 4096  # provider keys have tens to hundreds of characters; tokens of some clouds a few thousand


class SecretStore(Protocol):
    """What the rules need of a database, inside the caller's transaction."""

    def put_secret(self, org_id: str, name: str, wrapped: bytes, at: datetime) -> None:
        """Store or replace one wrapped secret and raise the org's secrets version by one."""
        ...

    def wrapped_secrets(self, org_id: str) -> dict[str, bytes]:
        """All wrapped secrets of the org by name, oldest first."""
        ...

    def secrets_version(self, org_id: str) -> int:
        """How often the org's secrets changed."""
        ...

    def delete_secret(self, org_id: str, name: str) -> None:
        """Delete one secret and raise the org's secrets version by one."""
        ...

    def rewrap(self, change: Callable[[str, str, bytes], bytes]) -> int:
        """Replace each wrapped secret by ``change(org, name, wrapped)``, and nothing else of it; returns how many."""
        ...


def add_pepper(
    store: SecretStore, wrapper: Wrapper, org_id: str, at: datetime, random_bytes: Callable[[int], bytes]
) -> str:
    """Give the org a new pepper; returns its id. Keys made from now on use it."""
    pepper_id = f"pepper-{random_bytes(4).hex()}"
    value = base64.b64encode(random_bytes(PEPPER_BYTES))
    _put(store, wrapper, org_id, PEPPER_PREFIX + pepper_id, value, at)
    return pepper_id


def retire_pepper(store: SecretStore, org_id: str, pepper_id: str, used_by: int) -> None:
    """Take away a pepper that no key needs any more; it is gone for good.

    Raises:
        NotFound: The org has none of this id.
        InvalidRequest: It is the newest, or keys need it.
    """
    names = [name for name in store.wrapped_secrets(org_id) if name.startswith(PEPPER_PREFIX)]
    if PEPPER_PREFIX + pepper_id not in names:
        raise NotFound(f"org {org_id} has no pepper {pepper_id}; see `control-plane secret peppers`")
    if names[-1] == PEPPER_PREFIX + pepper_id:
        raise InvalidRequest("new keys use this pepper; `control-plane secret rotate-pepper` first")
    if used_by:
        raise InvalidRequest(f"{used_by} active keys need this pepper: replace and revoke them, or use --revoke-keys")
    store.delete_secret(org_id, PEPPER_PREFIX + pepper_id)


def add_list_key(store: SecretStore, wrapper: Wrapper, org_id: str, key: ListKey, at: datetime) -> bool:
    """Give the org's outposts a list key that its owner made; False if they have it already.

    Raises:
        InvalidRequest: Another key has this id: a list made with that one would not be found any more.
    """
    name = LIST_KEY_PREFIX + key.id
    value = base64.b64encode(key.value)
    wrapped = store.wrapped_secrets(org_id).get(name)
    if wrapped is None:
        _put(store, wrapper, org_id, name, value, at)
        return True
    if not hmac.compare_digest(wrapper.unwrap(wrapped, _context(org_id, name)), value):
        raise InvalidRequest(f"org {org_id} has another list key {key.id}; make one with `outpost lists keygen`")
    return False


def list_keys(store: SecretStore, org_id: str) -> list[str]:
    """The ids of the org's list keys, oldest first."""
    names = store.wrapped_secrets(org_id)
    return [name.removeprefix(LIST_KEY_PREFIX) for name in names if name.startswith(LIST_KEY_PREFIX)]


def retire_list_key(store: SecretStore, org_id: str, key_id: str, used_by: Collection[str]) -> None:
    """Take away a list key that no published list needs.

    Raises:
        NotFound: The org has none of this id.
        InvalidRequest: The lists ``used_by`` need it: outposts would refuse the bundle.
    """
    if key_id not in list_keys(store, org_id):
        raise NotFound(f"org {org_id} has no list key {key_id}; see `control-plane secret list-keys`")
    if used_by:
        raise InvalidRequest(f"published lists need this key: {', '.join(sorted(used_by))}; make them with another one")
    store.delete_secret(org_id, LIST_KEY_PREFIX + key_id)


def rewrap(store: SecretStore, wrapper: Wrapper) -> int:
    """Wrap every secret of every org anew; returns how many. What they say and their order stay."""

    def change(org_id: str, name: str, wrapped: bytes) -> bytes:
        context = _context(org_id, name)
        return wrapper.wrap(wrapper.unwrap(wrapped, context), context)

    return store.rewrap(change)


def newest_pepper(store: SecretStore, wrapper: Wrapper, org_id: str) -> tuple[str, bytes]:
    """The id and value of the org's newest pepper.

    Raises:
        NotFound: There is no such org.
    """
    wrapped = store.wrapped_secrets(org_id)
    names = [name for name in wrapped if name.startswith(PEPPER_PREFIX)]
    if not names:
        raise NotFound(f"there is no org {org_id}; see `control-plane org list`")
    value = wrapper.unwrap(wrapped[names[-1]], _context(org_id, names[-1]))
    return names[-1].removeprefix(PEPPER_PREFIX), base64.b64decode(value)


def set_secret(store: SecretStore, wrapper: Wrapper, org_id: str, name: str, value: str, at: datetime) -> None:
    """Set a provider's key.

    Raises:
        InvalidRequest: The name is not ``provider/<id>``, or the value cannot be an HTTP header value.
    """
    if not _PROVIDER_NAME.fullmatch(name):
        raise InvalidRequest("a secret's name is provider/<provider id>, for example provider/openai")
    if len(value) > MAX_SECRET_CHARS or not _PRINTABLE.fullmatch(value):
        raise InvalidRequest(f"a provider key has 1-{MAX_SECRET_CHARS} printable ASCII characters and no white space")
    _put(store, wrapper, org_id, name, value.encode(), at)


def seal_for(store: SecretStore, wrapper: Wrapper, outpost: OutpostRecord) -> SealedSecrets:
    """All secrets of the outpost's org, sealed to the key it enrolled with.

    Raises:
        NotFound: The outpost has not enrolled.
    """
    if outpost.hpke_public_key is None:
        raise NotFound("this outpost has no key to seal to; enrol it first")
    version = store.secrets_version(outpost.org_id)
    secrets = {
        name: wrapper.unwrap(wrapped, _context(outpost.org_id, name)).decode()
        for name, wrapped in store.wrapped_secrets(outpost.org_id).items()
    }
    sealed = seal_secrets(secrets, outpost.hpke_public_key, secrets_info(outpost.org_id, outpost.id, version))
    return SealedSecrets(version=version, sealed=base64.b64encode(sealed))


def _put(store: SecretStore, wrapper: Wrapper, org_id: str, name: str, value: bytes, at: datetime) -> None:
    store.put_secret(org_id, name, wrapper.wrap(value, _context(org_id, name)), at)


def _context(org_id: str, name: str) -> str:
    return f"org-secret/v1\n{org_id}\n{name}"

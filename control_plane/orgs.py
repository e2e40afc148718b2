"""Orgs and their people. An org is born whole: pepper, bundle repository and first bundle in one transaction."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from argon2 import PasswordHasher

from control_plane import bundles
from control_plane.defaults import DEFAULT_PROVIDER_URL, default_policy, default_routing
from control_plane.errors import AlreadyExists, DocumentRejected, InvalidRequest, NotFound
from control_plane.keys import keys_document
from control_plane.release import BundleStore
from control_plane.secrets import SecretStore, add_pepper
from control_plane.signing import TIMESTAMP_LIFETIME, RoleSigners
from control_plane.wrapping import Wrapper
from outpost.protocol.documents import KEYS_TARGET, POLICY_TARGET, ROUTING_TARGET
from outpost.protocol.ids import is_id

ADMIN = "admin"
_USER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,252}[a-z0-9])?")
_PASSWORD_BYTES = 18  # 144 bits, 24 characters: made here, so no rule about its form is needed


@dataclass(frozen=True, slots=True)
class User:
    """Someone who may sign in. The password itself is shown once and kept nowhere."""

    id: str
    org_id: str
    name: str
    role: str
    password_hash: str = field(repr=False)
    created_at: datetime


class OrgStore(Protocol):
    """What the rules need of a database, inside the caller's transaction."""

    def org_ids(self) -> list[str]:
        """All orgs, oldest first."""
        ...

    def add_org(self, org_id: str, at: datetime) -> None:
        """Store a new org."""
        ...

    def user_is_taken(self, name: str) -> bool:
        """True if someone has this sign-in name."""
        ...

    def add_user(self, user: User) -> None:
        """Store a new user."""
        ...


@dataclass(frozen=True, slots=True)
class OrgStores:
    """The stores that creating an org touches, all of one transaction."""

    orgs: OrgStore
    secrets: SecretStore
    bundles: BundleStore


def require_org_id(org_id: str) -> str:
    """``org_id`` if it may be one.

    Raises:
        InvalidRequest: It may not.
    """
    if not is_id(org_id):
        raise InvalidRequest("an org's id has 1-63 characters of a-z, 0-9 and inner hyphens")
    return org_id


def require_org(store: OrgStore, org_id: str) -> str:
    """``org_id`` if there is such an org.

    Raises:
        NotFound: There is none.
    """
    if org_id not in store.org_ids():
        raise NotFound(f"there is no org {org_id}; see `control-plane org list`")
    return org_id


def require_provider_url(url: str) -> str:
    """``url``, if an org's requests can go there.

    Raises:
        InvalidRequest: They cannot.
    """
    try:
        bundles.check_document(ROUTING_TARGET, default_routing(url))
    except DocumentRejected as err:
        why = "; ".join(problem.removeprefix("Value error, ") for _, problem in err.problems)
        example = f"up to and including the version, for example {DEFAULT_PROVIDER_URL}"
        raise InvalidRequest(f"the provider's URL (--provider-url) {why}; {example}") from err
    return url


def create_org(  # noqa: PLR0913 - everything an org is born with
    stores: OrgStores,
    org_id: str,
    *,
    signers: RoleSigners,
    wrapper: Wrapper,
    at: datetime,
    random_bytes: Callable[[int], bytes],
    provider_url: str = DEFAULT_PROVIDER_URL,
    timestamp_lifetime: timedelta = TIMESTAMP_LIFETIME,
) -> int:
    """Create an org with a pepper, a bundle repository and the default bundle; returns its snapshot version.

    Raises:
        InvalidRequest, AlreadyExists: The id or the URL cannot be used.
    """
    require_org_id(org_id)
    if org_id in stores.orgs.org_ids():
        raise AlreadyExists(f"there is an org {org_id} already")
    stores.orgs.add_org(org_id, at)
    add_pepper(stores.secrets, wrapper, org_id, at, random_bytes)
    bundles.create_repository(stores.bundles, org_id, signers, at)
    documents = {
        POLICY_TARGET: default_policy(),
        KEYS_TARGET: keys_document([]),
        ROUTING_TARGET: default_routing(require_provider_url(provider_url)),
    }
    return bundles.publish(stores.bundles, org_id, documents, signers, at, timestamp_lifetime)


def create_user(
    store: OrgStore, org_id: str, name: str, at: datetime, random_bytes: Callable[[int], bytes]
) -> tuple[User, str]:
    """Create an admin of the org; returns the user and its password, which is shown once.

    Raises:
        InvalidRequest, AlreadyExists: The name cannot be used.
    """
    if not _USER_NAME.fullmatch(name):
        raise InvalidRequest("a user's name has lower-case letters, digits and . _ @ + - between them")
    if store.user_is_taken(name):
        raise AlreadyExists(f"there is a user {name} already")
    password = random_bytes(_PASSWORD_BYTES).hex()
    # argon2-cffi's defaults are RFC 9106's second recommended option (64 MiB, 3 passes), argon2id
    user = User(f"user-{random_bytes(8).hex()}", org_id, name, ADMIN, PasswordHasher().hash(password), at)
    store.add_user(user)
    return user, password

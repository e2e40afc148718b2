"""Keys in a PKCS #11 token (an HSM, a smart card, SoftHSM): made there, never extractable, signing there.

Signatures are raw ECDSA over a SHA-256 digest made here: the combined mechanism is optional in PKCS #11 and missing in
SoftHSM 2.6. One session, one call at a time (sessions are not for threads); a session that broke is opened again once.
Calls run in a thread of the store's own: modules that use OpenSSL, as SoftHSM does, leave errors in its queue of the
calling thread, and Python's ``ssl`` takes the next one it finds there for its own.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error, Session
from pkcs11.exceptions import (
    DeviceRemoved,
    MultipleObjectsReturned,
    NoSuchKey,
    NoSuchToken,
    PinIncorrect,
    PinInvalid,
    PinLocked,
    SessionClosed,
    SessionHandleInvalid,
    UserAlreadyLoggedIn,
    UserNotLoggedIn,
)
from pkcs11.util.ec import encode_named_curve_parameters

from pki.errors import KeyExists, KeyNotFound, KeyStoreUnavailable
from pki.keystore import Settings, require_label

_Result = TypeVar("_Result")

_P256: Final = encode_named_curve_parameters("secp256r1")
_COORDINATE_BYTES: Final = 32
_POINT_HEADER: Final = bytes([0x04, 65])  # DER OCTET STRING around the 65 bytes of an uncompressed point (§2.3.3)
_SESSION_GONE: Final = (SessionClosed, SessionHandleInvalid, UserNotLoggedIn, DeviceRemoved)


def open_store(settings: Settings, secret: bytes | None) -> "Pkcs11KeyStore":
    """``pkcs11:token=LABEL?module-path=FILE``."""
    settings.require_only("module-path")
    attributes = dict(part.partition("=")[::2] for part in settings.path().split(";"))
    module, token = settings.query.get("module-path"), attributes.pop("token", None)
    if not module or not token or attributes:
        raise KeyStoreUnavailable(
            "PKCS #11 key store",
            "token or module is missing",
            "write pkcs11:token=LABEL?module-path=/path/to/module.so",
        )
    if not secret:
        raise KeyStoreUnavailable(f"PKCS #11 token {token}", "there is no PIN", "give it as a file or variable")
    return Pkcs11KeyStore(module, token, secret.decode())


class Pkcs11KeyStore:
    """See the module."""

    def __init__(self, module_path: str, token: str, pin: str) -> None:
        self.name = f"PKCS #11 token {token}"
        self._module_path = module_path
        self._token = token
        self._pin = pin
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._thread = ThreadPoolExecutor(1, "pkcs11")

    def check(self) -> None:
        """The module loads, the token is there and takes the PIN."""
        # A search the device has to answer; that a session was once opened says nothing about now.
        self._with_session(lambda session: list(session.get_objects({Attribute.LABEL: "check"})))

    def signer(self, label: str) -> "Pkcs11Signer":
        """The key pair labelled ``label``."""
        require_label(self.name, label)
        return Pkcs11Signer(self, label, self._with_session(lambda session: self._public_key(session, label)))

    def create(self, label: str) -> "Pkcs11Signer":
        """A key pair made in the token; the private half is sensitive and not extractable."""
        require_label(self.name, label)

        def make(session: Session) -> ec.EllipticCurvePublicKey:
            for object_class in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
                if list(session.get_objects({Attribute.CLASS: object_class, Attribute.LABEL: label})):
                    raise KeyExists(self.name, f"there is a key {label} already", "choose another label")
            parameters = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: _P256}, local=True)
            parameters.generate_keypair(
                store=True,
                label=label,
                id=label.encode(),
                private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
            )
            return self._public_key(session, label)

        return Pkcs11Signer(self, label, self._with_session(make))

    def sign(self, label: str, data: bytes) -> bytes:
        """DER ECDSA signature over the SHA-256 of ``data`` by the key ``label``."""
        digest = hashlib.sha256(data).digest()

        def work(session: Session) -> bytes:
            key = _only(session, ObjectClass.PRIVATE_KEY, label)
            return bytes(key.sign(digest, mechanism=Mechanism.ECDSA))

        raw = self._with_session(work)
        if len(raw) != 2 * _COORDINATE_BYTES:
            raise KeyStoreUnavailable(self.name, "its signature has another size", "check the token's firmware")
        r, s = raw[:_COORDINATE_BYTES], raw[_COORDINATE_BYTES:]
        return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))

    def _public_key(self, session: Session, label: str) -> ec.EllipticCurvePublicKey:
        _only(session, ObjectClass.PRIVATE_KEY, label)  # a public half alone signs nothing
        found = _only(session, ObjectClass.PUBLIC_KEY, label)
        parameters, point = bytes(found[Attribute.EC_PARAMS]), bytes(found[Attribute.EC_POINT])
        try:
            if parameters != _P256:
                raise ValueError  # noqa: TRY301 - one way out for every key that is not ours
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point.removeprefix(_POINT_HEADER))
        except ValueError as err:
            raise KeyStoreUnavailable(self.name, f"key {label} is not ECDSA P-256", "choose another label") from err

    def _with_session(self, work: Callable[[Session], _Result]) -> _Result:
        with self._lock, self._errors():
            return self._thread.submit(self._work, work).result()

    def _work(self, work: Callable[[Session], _Result]) -> _Result:
        if self._session is not None:
            try:
                return work(self._session)
            except _SESSION_GONE:
                self._session = None
        self._session = self._open()
        return work(self._session)

    def _open(self) -> Session:
        token = pkcs11.lib(self._module_path).get_token(token_label=self._token)
        try:
            return token.open(rw=True, user_pin=self._pin)
        except (
            UserAlreadyLoggedIn
        ):  # a login is the process's, not a session's (PKCS #11 §5.6.8): another store's serves
            return token.open(rw=True)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Each failure as one of ours. The library's own text may quote a path, never a PIN."""
        try:
            yield
        except NoSuchKey as err:
            raise KeyNotFound(self.name, "it has no such key", "create it, or give the token that has it") from err
        except MultipleObjectsReturned as err:
            raise KeyStoreUnavailable(self.name, "it has several keys of one label", "delete all but one") from err
        except NoSuchToken as err:
            raise KeyStoreUnavailable(
                self.name, "there is no such token", "connect it; pkcs11-tool --list-token-slots shows what is there"
            ) from err
        except (PinIncorrect, PinInvalid, PinLocked) as err:
            problem = "the PIN is locked" if isinstance(err, PinLocked) else "the PIN is wrong"
            raise KeyStoreUnavailable(self.name, problem, "give the user PIN; a few wrong ones lock it") from err
        except PKCS11Error as err:
            raise KeyStoreUnavailable(
                self.name, f"it fails ({type(err).__name__})", f"check the module {self._module_path} and the device"
            ) from err


def _only(session: Session, object_class: ObjectClass, label: str) -> Any:
    """The one object there is; typed when it runs. The search is read to its end: it holds a lock."""
    found = list(session.get_objects({Attribute.CLASS: object_class, Attribute.LABEL: label}))
    if not found:
        raise NoSuchKey
    if len(found) > 1:
        raise MultipleObjectsReturned
    return found[0]


class Pkcs11Signer:
    """One key of a token."""

    __slots__ = ("_label", "_store", "public_key")

    def __init__(self, store: Pkcs11KeyStore, label: str, public_key: ec.EllipticCurvePublicKey) -> None:
        self._store = store
        self._label = label
        self.public_key = public_key

    def sign(self, data: bytes) -> bytes:
        """DER ECDSA signature over the SHA-256 of ``data``."""
        return self._store.sign(self._label, data)

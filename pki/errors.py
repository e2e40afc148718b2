"""What can go wrong in ``pki``, by what the caller can do about it.

PkiError
 ├── KeyFileError          a private key cannot be read: wrong passphrase, damaged, or readable by others
 ├── KeyStoreError         the place where keys live does not give one; names the store and what to do
 │    ├── KeyStoreUnavailable   it cannot be reached, does not let us in, or fails to sign
 │    ├── KeyNotFound           it has no key of that name
 │    └── KeyExists             a key of that name is there already and is not replaced
 ├── SharesInvalid         shares of a passphrase do not give it back
 ├── CsrInvalid            a signing request is not a plain proof of possession
 ├── IssuanceRefused       a certificate failed the independent check, or may not be issued at all
 └── CertificateInvalid    a certificate or CRL presented to us does not verify; ``reason`` says why

No message holds key material, a passphrase or text taken from a certificate.
"""

from enum import StrEnum


class PkiError(Exception):
    """Root of every error ``pki`` raises on purpose."""


class KeyFileError(PkiError):
    """A private key cannot be used: unreadable, damaged, of another kind, or its file is open to others."""


class KeyStoreError(PkiError):
    """A key store does not give what is needed. ``store`` names it, ``advice`` says what to do."""

    def __init__(self, store: str, problem: str, advice: str) -> None:
        super().__init__(f"{store}: {problem}; {advice}")
        self.store = store
        self.problem = problem
        self.advice = advice


class KeyStoreUnavailable(KeyStoreError):
    """The store cannot be reached, does not accept what we show it, or fails at the work."""


class KeyNotFound(KeyStoreError):
    """The store answers and has no such key."""


class KeyExists(KeyStoreError):
    """The store has a key of that name; it is never replaced."""


class SharesInvalid(PkiError):
    """Shares are mistyped, too few, of different secrets, or not shares at all."""


class CsrInvalid(PkiError):
    """A certificate signing request is malformed, unproven, or asks for something."""


class IssuanceRefused(PkiError):
    """A certificate must not leave the authority. ``problems`` names every field that is off."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Reason(StrEnum):
    """Why a certificate is refused; stable, fit for logs and error bodies."""

    CHAIN = "chain"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    PURPOSE = "purpose"
    NAME = "name"
    REVOKED = "revoked"
    MALFORMED = "malformed"
    CRL_UNAVAILABLE = "crl_unavailable"


class CertificateInvalid(PkiError):
    """A certificate, chain or CRL does not verify. ``reason`` is stable; ``message`` is for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason.value}: {message}")
        self.reason = reason
        self.message = message

"""The only disk access of ``pki``, and how everyone writes a small file: whole or not at all, durable, with its mode.

After ``write_atomic`` returns the new content survives a power cut; if it raises or the machine dies in it, the old
or the new content is there, whole. A private key in a file that others can read is refused, as it may be known already.
"""

import os
import secrets
import stat
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pki.errors import CertificateInvalid, KeyFileError, Reason
from pki.keys import MAX_KEY_PEM_BYTES, private_key_from_pem
from pki.pem import MAX_PEM_BYTES, parse_certificates

_PRIVATE_FILE_MODE = 0o600
_PUBLIC_FILE_MODE = 0o644
_PRIVATE_DIR_MODE = 0o700
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_atomic(path: Path, content: bytes, *, mode: int = _PRIVATE_FILE_MODE) -> None:
    """Replace ``path`` by ``content`` with ``mode``, atomically and durably.

    Raises:
        OSError: the old file, if any, is there whole and no temporary file is left; or, when only the last step failed
            (making the new name durable), the new one is.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        # O_EXCL: never through a link someone planted. 0600 from the first byte, whatever the umask.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def write_private(path: Path, content: bytes) -> None:
    """``write_atomic``, readable and writable by the owner only (0600)."""
    write_atomic(path, content, mode=_PRIVATE_FILE_MODE)


def write_public(path: Path, content: bytes) -> None:
    """``write_atomic``, readable by everybody (0644)."""
    write_atomic(path, content, mode=_PUBLIC_FILE_MODE)


def make_private_dir(path: Path) -> None:
    """Make ``path`` a directory for the owner only (0700); its parents are made as the system makes them.

    A directory that is there already is narrowed to 0700.

    Raises:
        OSError: it cannot be made, or is not a directory.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=_PRIVATE_DIR_MODE, exist_ok=True)
    path.chmod(_PRIVATE_DIR_MODE)
    _sync_directory(path.parent)


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The PEM certificates in ``path``.

    Raises:
        CertificateInvalid: reason ``malformed``.
        OSError: the file cannot be read.
    """
    content = _read_bounded(path, MAX_PEM_BYTES)
    if content is None:
        raise CertificateInvalid(Reason.MALFORMED, "the file is too large for certificates")
    return parse_certificates(content)


def read_private_key(path: Path, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    """The private key in ``path``.

    Raises:
        KeyFileError: the file cannot be read, is not a regular file, is open to group or others, or holds no such key.
    """
    try:
        content = _read_bounded(path, MAX_KEY_PEM_BYTES, private=True)
    except OSError as err:
        raise KeyFileError(f"the key file cannot be read: {err.strerror}") from err
    if content is None:
        raise KeyFileError("the file is too large for a private key")
    return private_key_from_pem(content, passphrase)


def read_private(path: Path, limit_bytes: int) -> bytes:
    """The content of a secret's file.

    Raises:
        KeyFileError: the file cannot be read, is not a regular file, is open to group or others, or is too large.
    """
    try:
        content = _read_bounded(path, limit_bytes, private=True)
    except OSError as err:
        raise KeyFileError(f"the key file cannot be read: {err.strerror}") from err
    if content is None:
        raise KeyFileError("the file is too large for a secret")
    return content


def _read_bounded(path: Path, limit_bytes: int, *, private: bool = False) -> bytes | None:
    """At most ``limit_bytes``, or None if there is more."""
    # O_NONBLOCK: opening a pipe put in the file's place must not hang the start; it changes nothing for a file.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if private:
            _require_private(os.fstat(file.fileno()))  # of what was opened, not of what the path names by now
        content = file.read(limit_bytes + 1)
    return content if len(content) <= limit_bytes else None


def _require_private(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError("the key file is not a regular file")
    if status.st_mode & _OPEN_TO_OTHERS:
        raise KeyFileError(
            f"the key file is open to group or others (mode {stat.S_IMODE(status.st_mode):04o}, want 0600)"
        )


def _sync_directory(path: Path) -> None:
    """The new name is durable only once its directory is (POSIX rename says nothing about it)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

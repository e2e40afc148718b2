"""TLS towards clients, from files that may change while the outpost runs.

TLS 1.2 or newer, HTTP/1.1 only (RFC 7301), no renegotiation; with a client CA every connection proves a certificate of
it anew, so none is resumed. Files that cannot be used stop the start; later they change nothing, and the log says so.
"""

import asyncio
import contextlib
import hashlib
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from outpost.errors import ConfigError
from pki.errors import PkiError
from pki.pem import parse_certificate

log = structlog.get_logger(__name__)

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
LOOK_EVERY_S: Final = 10.0  # certificates change hours before the old ones end; three small files are read


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the server's chain, its key (by default behind the chain), and whom clients must be certified by."""

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """What the files say.

    Raises:
        ConfigError: One of them cannot be read or used; says which and why, never what is in it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (OSError, ValueError) as err:
        raise ConfigError([_unusable_chain(files, err)]) from err
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except OSError as err:
            why = "cannot be read" if not isinstance(err, ssl.SSLError) else "holds no certificate in PEM"
            raise ConfigError([f"tls_client_ca_file: {files.client_ca} {why}"]) from err
        context.verify_mode = ssl.CERT_REQUIRED
        # The file says who is trusted, be it a root or an authority below one.
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate may be used."""

    not_before_at: datetime
    not_after_at: datetime


def validity_of(files: TlsFiles) -> Validity | None:
    """Of the server's own certificate, which comes first in its file; None if that cannot be read here."""
    try:
        block = _CERTIFICATE.search(files.certificate.read_bytes())
        certificate = parse_certificate(block[0]) if block else None
    except (OSError, PkiError):
        return None
    if certificate is None:
        return None
    return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _no_password() -> str:
    raise ValueError("encrypted")  # OpenSSL would ask at the terminal


def _unusable_chain(files: TlsFiles, err: Exception) -> str:
    key = files.key or files.certificate
    for setting, path in (("tls_certificate_file", files.certificate), ("tls_key_file", key)):
        try:
            path.read_bytes()
        except OSError as reason:
            return f"{setting}: {path} cannot be read ({reason.strerror})"
    if getattr(err, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"tls_key_file: {key} is not the key of the certificate in {files.certificate}"
    if isinstance(err, ValueError):
        return f"tls_key_file: {key} is encrypted; give a key without a password, readable by the outpost alone"
    return f"tls_certificate_file: {files.certificate} and {key} are not a certificate chain and its key in PEM"


async def keep_current(
    files: TlsFiles,
    use: Callable[[ssl.SSLContext], Awaitable[None]],
    stop: asyncio.Event,
    *,
    every_s: float = LOOK_EVERY_S,
) -> None:
    """Give ``use`` a new context whenever the files have changed and are usable, until ``stop``."""
    known = await asyncio.to_thread(_digest, files)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await stop.wait()
        seen = await asyncio.to_thread(_digest, files)
        if seen == known or stop.is_set():
            continue
        known = seen
        try:
            await use(server_context(files))
        except (ConfigError, OSError) as err:  # half-written, or the key is still the old one
            log.error("tls_files_refused", reason=str(err))
        else:
            log.info("tls_files_in_use", certificate=str(files.certificate))


def _digest(files: TlsFiles) -> bytes:
    """Of what is in the files; a file that cannot be read is as good as an empty one."""
    digest = hashlib.sha256()
    for path in (files.certificate, files.key, files.client_ca):
        with contextlib.suppress(OSError):
            digest.update(hashlib.sha256(path.read_bytes() if path else b"").digest())
    return digest.digest()

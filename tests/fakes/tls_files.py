"""Certificates, keys and authorities as PEM files, valid now: for the proxy's own TLS and for its clients."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pki.keys import private_key_to_pem
from pki.pem import certificates_to_pem
from tests.fakes.pki import TestAuthority


@dataclass(frozen=True)
class TlsSite:
    """An authority with a folder. ``ca`` is its root's file."""

    authority: TestAuthority
    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, name: str = "server") -> tuple[Path, Path]:
        """New certificate and key for loopback, written over the last ones of this name."""
        leaf = self.authority.server("localhost", "127.0.0.1", "::1", at=datetime.now(UTC) - timedelta(minutes=5))
        return self._write(name, leaf)

    def client(self, name: str = "client") -> tuple[Path, Path]:
        return self._write(name, self.authority.outpost(at=datetime.now(UTC) - timedelta(minutes=5)))

    def trusting(self, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """What a client of this site uses."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if client is not None:
            context.load_cert_chain(*client)
        return context

    def _write(self, name: str, leaf) -> tuple[Path, Path]:
        chain, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        chain.write_bytes(certificates_to_pem([leaf.certificate, self.authority.intermediate.certificate]))
        key.write_bytes(private_key_to_pem(leaf.key, None))
        return chain, key


def tls_site(folder: Path) -> TlsSite:
    """A new authority, valid since an hour ago."""
    folder.mkdir(parents=True, exist_ok=True)
    site = TlsSite(TestAuthority.build(at=datetime.now(UTC) - timedelta(hours=1)), folder)
    site.ca.write_bytes(certificates_to_pem([site.authority.root.certificate]))
    return site

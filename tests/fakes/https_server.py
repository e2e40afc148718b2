"""A real HTTPS server on loopback, in a thread, that answers by a function: the other end of client libraries."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pki.keys import private_key_to_pem
from pki.pem import certificates_to_pem
from tests.fakes.pki import TestAuthority


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int
    content: Any = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class HttpsServer:
    url: str
    ca_file: Path


@contextmanager
def serve_https(folder: Path, at, answer: Callable[[Request], Answer]) -> Iterator[HttpsServer]:
    """Serve ``answer`` over TLS with a certificate for 127.0.0.1, valid at ``at``."""
    authority = TestAuthority.build(at=at)
    leaf = authority.server("127.0.0.1", at=at)
    chain = certificates_to_pem([leaf.certificate, authority.intermediate.certificate])
    (folder / "server.pem").write_bytes(private_key_to_pem(leaf.key, None) + chain)
    (folder / "ca.pem").write_bytes(certificates_to_pem([authority.root.certificate]))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            given = answer(Request(self.command, self.path, headers, body))
            content = b"" if given.content is None else json.dumps(given.content).encode()
            self.send_response(given.status)
            for name, value in (
                *given.headers,
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(content))),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the base class's names

        def log_message(self, *arguments: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield HttpsServer(f"https://127.0.0.1:{server.server_port}", folder / "ca.pem")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

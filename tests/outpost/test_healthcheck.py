import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from outpost.healthcheck import check


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def _server(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _self_signed(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elsewhere")])
    start = datetime.now(UTC) - timedelta(days=2)
    end = start + timedelta(days=1)
    serial = x509.random_serial_number()
    certificate = x509.CertificateBuilder(name, name, key.public_key(), serial, start, end).sign(key, hashes.SHA256())
    path = directory / "server.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_is_healthy_only_at_200():
    with _server() as port:
        assert check(f"http://127.0.0.1:{port}/healthz") is None
        assert check(f"http://127.0.0.1:{port}/readyz") == "answered 503"


def test_an_expired_certificate_of_another_name_still_means_that_the_process_answers(tmp_path):
    with _server(_self_signed(tmp_path)) as port:
        assert check(f"https://127.0.0.1:{port}/healthz") is None


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert check(f"http://127.0.0.1:{port}/healthz") == "no answer: ConnectionRefusedError"


def test_silence_ends_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert check(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=0.05) == "no answer: TimeoutError"


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/",
        "https://localhost/",
        "ftp://127.0.0.1/",
        "127.0.0.1",
        "",
        "http://127.0.0.1:port/",
        "http://[",
    ],
)
def test_refuses_any_address_but_its_own(url):
    assert "loopback" in check(url)


@pytest.mark.parametrize(("path", "code"), [("/healthz", 0), ("/other", 1)])
def test_exit_code(path, code):
    with _server() as port:
        done = subprocess.run(
            [sys.executable, "-m", "outpost.healthcheck", f"http://127.0.0.1:{port}{path}"],
            check=False,
            capture_output=True,
            timeout=20,
        )
    assert done.returncode == code

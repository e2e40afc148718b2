"""Against real TLS servers on loopback: what the fake control plane, which has no TLS, cannot show."""

import asyncio
import contextlib
import socket
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from outpost.errors import ControlPlaneUnavailable, ControlPlaneUntrusted, IdentityInvalid
from outpost.sync.client import ControlPlaneClient
from outpost.sync.enrol import register
from outpost.sync.identity import is_enrolled
from outpost.sync.tls import mutual_context
from pki.keys import generate_private_key, private_key_to_pem
from pki.pem import certificates_to_pem
from tests.fakes.control_plane import FakeControlPlane


@pytest.fixture
def plane() -> FakeControlPlane:
    return FakeControlPlane(lambda: datetime.now(UTC))  # TLS asks the machine's clock


@pytest.fixture
def clock(plane):
    return plane.clock


@pytest.fixture
def serve(tmp_path):
    """Serve a fake control plane over TLS with a certificate of some authority for some names."""
    servers = []

    def serve(plane, *, authority=None, names=("127.0.0.1",), client_anchor=None) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                response = plane.handler(httpx.Request(self.command, f"https://h{self.path}", content=body))
                self.send_response(response.status_code)
                self.send_header("Content-Length", str(len(response.content)))
                self.end_headers()
                self.wfile.write(response.content)

            do_GET = do_POST = _answer  # noqa: N815 - http.server finds them by these names

            def log_message(self, *args) -> None:
                pass

        key, issuer = generate_private_key(), (authority or plane).intermediate
        leaf = issuer.issue_server(list(names), key.public_key(), plane.clock())
        (tmp_path / "server.pem").write_bytes(
            private_key_to_pem(key, None) + certificates_to_pem([leaf, issuer.certificate])
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        if client_anchor is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=client_anchor)
        server = _Quiet(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        servers.append((server, thread))
        return f"https://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(HTTPServer):
    def handle_error(self, request, client_address) -> None:
        pass  # refused handshakes are what these tests are about


def test_enrolment_over_verified_tls(serve, plane, data_dir):
    assert register(serve(plane), plane.create_token(), data_dir).outpost_id == "edge-1"


def test_a_server_of_another_authority_is_taken_for_a_proxy_and_not_given_the_token(serve, plane, data_dir):
    url = serve(plane, authority=FakeControlPlane(plane.clock))
    with pytest.raises(ControlPlaneUntrusted, match="intercepting proxy"):
        register(url, plane.create_token(), data_dir)
    assert ("POST", "/enroll/v1/outposts") not in plane.requests
    assert not is_enrolled(data_dir)


def test_a_server_of_another_name_is_refused(serve, plane, data_dir):
    with pytest.raises(ControlPlaneUntrusted, match="names"):
        register(serve(plane, names=("control-plane.test", "127.0.0.2")), plane.create_token(), data_dir)
    assert ("POST", "/enroll/v1/outposts") not in plane.requests


def test_a_closed_port_is_unavailable(plane, data_dir):
    with pytest.raises(ControlPlaneUnavailable, match=r"cannot connect to 127\.0\.0\.1:1:"):
        register("https://127.0.0.1:1", plane.create_token(), data_dir)


async def test_mutual_tls_works_with_the_enrolled_identity(serve, plane, identity):
    url = serve(plane, client_anchor=plane.anchor_pem)
    async with ControlPlaneClient(replace(identity, sync_url=url)) as client:
        assert (await client.fetch_secrets()).version == 1


async def test_a_server_that_wants_another_authoritys_clients_is_unavailable(serve, plane, identity):
    url = serve(plane, client_anchor=FakeControlPlane(plane.clock).anchor_pem)
    async with ControlPlaneClient(replace(identity, sync_url=url)) as client:
        with pytest.raises(ControlPlaneUnavailable):
            await client.fetch_secrets()


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_the_client_refuses_a_server_it_cannot_verify(serve, plane, identity, wrong):
    authority = FakeControlPlane(plane.clock) if wrong == "authority" else plane
    names = ("control-plane.test",) if wrong == "name" else ("127.0.0.1",)
    url = serve(plane, authority=authority, names=names)
    async with ControlPlaneClient(replace(identity, sync_url=url)) as client:
        with pytest.raises(ControlPlaneUntrusted, match="intercepting proxy"):
            await client.fetch_secrets()


@pytest.fixture
def proxy(monkeypatch):
    """An HTTP proxy that knows CONNECT only, set in the environment; the list says where it was asked to go."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            host, port = self.path.split(":")
            with socket.create_connection((host, int(port))) as target:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pump, args=(target, self.connection))
                back.start()
                _pump(self.connection, target)
                back.join()

        def log_message(self, *args) -> None:
            pass

    server = _Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    server.server_close()
    thread.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


async def test_a_proxy_of_the_environment_is_used_and_sees_only_tls(proxy, serve, plane, data_dir):
    url = serve(plane)
    identity = await asyncio.to_thread(register, url, plane.create_token(), data_dir)
    async with ControlPlaneClient(replace(identity, sync_url=url)) as client:
        assert (await client.fetch_secrets()).version == 1
    assert proxy == [url.removeprefix("https://")] * 3


async def test_nothing_is_listening(identity):
    async with ControlPlaneClient(replace(identity, sync_url="https://127.0.0.1:1")) as client:
        with pytest.raises(ControlPlaneUnavailable):
            await client.fetch_secrets()


def test_the_systems_trust_store_is_not_consulted(identity):
    assert mutual_context(identity).cert_store_stats()["x509"] == 1


def test_an_unusable_key_file_is_an_invalid_identity(identity):
    identity.key_file.write_bytes(b"damaged")
    with pytest.raises(IdentityInvalid):
        mutual_context(identity)

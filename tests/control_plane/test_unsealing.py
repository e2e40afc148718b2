"""The local socket of a sealed control plane: one at a time, in memory only, and the network gets nothing."""

import os
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from control_plane.config import Config
from control_plane.errors import AlreadyExists, KeysUnsafe, ShareRefused
from control_plane.seal import make_seal, socket_path
from control_plane.unsealing import SealDoor, SealedListeners
from pki.authority import create_intermediate, create_root
from pki.keys import generate_private_key, private_key_to_pem
from pki.pem import certificates_to_pem
from pki.signer import LocalSigner
from tests.fakes.clock import NOON


@pytest.fixture(scope="module")
def made():
    return make_seal(5, 3, os.urandom)


def _client(folder: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket_path(folder))), base_url="http://seal")


async def test_the_share_that_reaches_the_threshold_opens_and_nothing_keeps_the_passphrase(made, tmp_path):
    asked_with = []

    def open_with(passphrase):
        asked_with.append(passphrase)
        return "opened"

    async with SealDoor(tmp_path, made.seal, open_with) as door, _client(tmp_path) as http:
        assert oct(socket_path(tmp_path).stat().st_mode & 0o777) == "0o600"
        for number, share in enumerate(made.shares[:2], 1):
            answer = await http.post("/seal/shares", json={"share": share})
            assert answer.json() == {"sealed": True, "given": number, "threshold": 3, "shares": 5}
        assert (await http.delete("/seal/shares")).json()["given"] == 0
        for share in made.shares[2:]:
            answer = await http.post("/seal/shares", json={"share": share})
        assert answer.json()["sealed"] is False
        assert (asked_with, door.take()) == ([made.passphrase], "opened")
        with pytest.raises(ShareRefused, match="nothing was opened"):
            door.take()
        again = await http.post("/seal/shares", json={"share": made.shares[0]})
        assert (again.status_code, "unsealed already" in again.json()["message"]) == (400, True)
        assert (await http.post("/seal")).json() == {"sealed": True, "given": 0, "threshold": 3, "shares": 5}
        assert door.sealed.is_set()
        assert not door.unsealed.is_set()
    assert not socket_path(tmp_path).exists()


async def test_right_shares_for_other_keys_open_nothing_and_say_so(made, tmp_path):
    def open_with(_passphrase):
        raise KeysUnsafe("ca: the intermediate cannot be read")

    async with SealDoor(tmp_path, made.seal, open_with) as door:
        for share in made.shares[:2]:
            await door.give(share)
        with pytest.raises(ShareRefused, match="the intermediate cannot be read"):
            await door.give(made.shares[2])
        assert (door.is_sealed, door.unsealing.given) == (True, 0)


async def test_a_socket_left_by_a_crash_is_taken_over_and_a_living_one_is_not(made, tmp_path):
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(socket_path(tmp_path)))
    async with SealDoor(tmp_path, made.seal, lambda _: "x"), _client(tmp_path) as http:
        with pytest.raises(AlreadyExists, match="another"):
            await SealDoor(tmp_path, made.seal, lambda _: "x").__aenter__()
        assert (await http.get("/seal")).json()["sealed"] is True


async def test_while_sealed_the_network_hears_that_it_lives_and_nothing_else(made, tmp_path):
    root = create_root(LocalSigner(generate_private_key()), trust_domain="a.test", common_name="r", at=NOON)
    issuer = create_intermediate(
        root, LocalSigner(generate_private_key()), trust_domain="a.test", common_name="i", at=NOON
    )
    key = generate_private_key()
    leaf = issuer.issue_server(["localhost"], key.public_key(), NOON)
    (tmp_path / "server.pem").write_bytes(
        private_key_to_pem(key, None) + certificates_to_pem([leaf, issuer.certificate])
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem")
    config = Config(
        data_dir=tmp_path, platform_host="127.0.0.1", outpost_host="127.0.0.1", platform_port=0, outpost_port=0
    )
    async with (
        SealDoor(tmp_path, made.seal, lambda _: "x") as door,
        SealedListeners(config, tls, door.unsealing) as listeners,
        httpx.AsyncClient(verify=False) as http,
    ):
        await door.give(made.shares[0])
        served = listeners.with_their_ports(config)
        for port in (served.platform_port, served.outpost_port):
            url = f"https://127.0.0.1:{port}"
            assert (await http.get(f"{url}/healthz")).status_code == 200
            ready = await http.get(f"{url}/readyz")
            assert (ready.status_code, ready.json()["message"]) == (503, "sealed: 1 of 3 shares given")
            for method, path in [
                ("POST", "/enroll/v1/outposts"),
                ("GET", "/outpost/v1/trust"),
                ("POST", "/seal/shares"),
            ]:
                answer = await http.request(method, url + path, json={"share": made.shares[1]})
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                assert int(answer.headers["Retry-After"]) > 0
        assert door.unsealing.given == 1

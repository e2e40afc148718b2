"""TLS of the proxy port against real handshakes."""

import asyncio
import ssl
import warnings

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from outpost.errors import ConfigError
from outpost.proxy.client_tls import TlsFiles, keep_current, server_context, validity_of
from tests.fakes.tls_files import tls_site
from tests.outpost.proxy.setup import port_of


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return tls_site(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secured(start, site):
    """Starts an outpost that speaks TLS."""
    chain, key = site.server()

    def make(**settings):
        return start(settings={"tls_certificate_file": chain, "tls_key_file": key, **settings})

    return make


async def ask(running, context, *, sent=b"GET /healthz HTTP/1.1\r\nHost: [::1]:8300\r\nConnection: close\r\n\r\n"):
    """One request over TLS; the answer and what was negotiated."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running), ssl=context)
    tls = writer.get_extra_info("ssl_object")
    writer.write(sent)
    received = await reader.read()
    writer.close()
    if not received:
        raise ConnectionResetError("closed without an answer")
    return received, tls.version(), tls.selected_alpn_protocol(), tls.getpeercert()["serialNumber"]


async def test_it_serves_over_tls_with_http_1_1_only(secured, site):
    context = site.trusting()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with secured() as running:
        assert running.base_url.startswith("https://")
        received, version, alpn, _ = await ask(running, context)
        assert received.startswith(b"HTTP/1.1 200")
        assert (version, alpn) == ("TLSv1.3", "http/1.1")

        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert (await ask(running, context))[1] == "TLSv1.2"


async def test_it_is_known_how_long_the_certificate_in_use_is_valid(secured, site, tmp_path):
    chain, key = site.server()
    async with secured() as running:
        assert running.port.validity == validity_of(TlsFiles(chain, key)) is not None
    together = tmp_path / "together.pem"
    together.write_bytes(b"a comment\n" + key.read_bytes() + chain.read_bytes())
    assert validity_of(TlsFiles(together)) == validity_of(TlsFiles(chain))
    together.write_bytes(key.read_bytes())
    assert validity_of(TlsFiles(together)) is None
    assert validity_of(TlsFiles(tmp_path / "none")) is None


async def test_what_is_older_than_1_2_and_plain_http_are_not_spoken(secured, site, capsys):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    async with secured() as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(running, old)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1.1" not in await reader.read()
        writer.close()
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_with_a_client_ca_only_its_certificates_get_in(secured, site, tmp_path):
    stranger = tls_site(tmp_path / "stranger").client()
    async with secured(tls_client_ca_file=site.ca) as running:
        received, *_ = await ask(running, site.trusting(site.client()))
        assert received.startswith(b"HTTP/1.1 200")
        for context in (site.trusting(), site.trusting(stranger)):
            with pytest.raises((ssl.SSLError, ConnectionError)):  # in TLS 1.3 it is told with the first read
                await ask(running, context)


async def test_a_session_is_not_resumed_where_clients_prove_who_they_are(site):
    chain, key = site.server()
    context = server_context(TlsFiles(chain, key, site.ca))
    assert context.num_tickets == 0
    assert context.options & ssl.OP_NO_TICKET
    assert context.verify_mode is ssl.CERT_REQUIRED


async def test_handshakes_that_do_not_come_are_not_waited_for(secured):
    async with secured(header_timeout_s=0.2) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
        async with asyncio.timeout(5):
            assert not await reader.read()
        writer.close()


async def test_new_files_are_used_without_dropping_anybody(secured, site):
    stop = asyncio.Event()
    async with secured() as running:
        watching = asyncio.create_task(running.port.keep_tls_current(stop, every_s=0.02))
        before = (await ask(running, site.trusting()))[3]
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running), ssl=site.trusting())
        site.server()  # certificate, then key: between the two they do not belong together
        async with asyncio.timeout(10):
            while (await ask(running, site.trusting()))[3] == before:  # noqa: ASYNC110 - files are polled
                await asyncio.sleep(0.02)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        stop.set()
        await watching


async def test_files_that_cannot_be_used_change_nothing(tmp_path):
    site = tls_site(tmp_path)
    chain, key = site.server()
    used, stop = [], asyncio.Event()

    async def use(context):
        used.append(context)

    watching = asyncio.create_task(keep_current(TlsFiles(chain, key), use, stop, every_s=0.01))
    await asyncio.sleep(0.1)
    old = chain.read_bytes()
    chain.write_bytes(b"half")
    await asyncio.sleep(0.1)
    assert not used
    chain.unlink()
    await asyncio.sleep(0.1)
    assert not used
    chain.write_bytes(old)
    async with asyncio.timeout(5):
        while not used:  # noqa: ASYNC110 - files are polled
            await asyncio.sleep(0.01)
    stop.set()
    await watching


def test_bad_files_are_one_clear_error(tmp_path):
    site = tls_site(tmp_path)
    chain, key = site.server()
    other, other_key = site.server("other")
    none, empty, locked = tmp_path / "none", tmp_path / "empty", tmp_path / "locked"
    empty.write_bytes(b"")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        )
    )
    together = tmp_path / "together"
    together.write_bytes(key.read_bytes() + chain.read_bytes())
    assert server_context(TlsFiles(together)).minimum_version is ssl.TLSVersion.TLSv1_2
    bad = {
        TlsFiles(none, key): "tls_certificate_file: .*none cannot be read",
        TlsFiles(chain, none): "tls_key_file: .*none cannot be read",
        TlsFiles(tmp_path, key): "cannot be read",
        TlsFiles(empty, key): "not a certificate chain",
        TlsFiles(chain): "not a certificate chain",
        TlsFiles(other, key): "is not the key of the certificate",
        TlsFiles(chain, other_key): "is not the key of the certificate",
        TlsFiles(chain, locked): "is encrypted",
        TlsFiles(chain, key, none): "tls_client_ca_file: .*none cannot be read",
        TlsFiles(chain, key, empty): "holds no certificate",
        TlsFiles(chain, key, key): "holds no certificate",
    }
    for files, said in bad.items():
        with pytest.raises(ConfigError, match=said) as caught:
            server_context(files)
        assert "PRIVATE" not in str(caught.value)

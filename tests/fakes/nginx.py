"""A real NGINX on loopback with a configuration that is shipped, in front of a control plane in this process."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from control_plane.ceremonies import Ceremonies, all_crls, ensure_crls
from pki.keys import private_key_to_pem
from pki.pem import certificates_to_pem

CONFIGURATIONS = Path(__file__).parents[2] / "deploy" / "nginx"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
LOG = 'log_format served "$request_method $uri $status $upstream_cache_status";\n'
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")


class Nginx:
    """Paths, name and port are the test's; ``site`` is a control plane that listens for an ingress in ``folder``."""

    def __init__(self, folder: Path, site, configuration: str) -> None:
        self.folder, self.site = folder, site
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.refresh()
        Ceremonies(site.operations, 30).issue_ingress(["localhost", "127.0.0.1"], folder / "server.pem")
        text = (CONFIGURATIONS / configuration).read_text().replace("/var/cache/nginx", str(folder / "cache"))
        for before, after in (
            ("/run/control-plane", str(folder)),
            ("/etc/nginx/outposts", str(folder)),
            ("listen 8443", f"listen 127.0.0.1:{self.port}"),
            ("control.example.com", "localhost"),
        ):
            assert before in text
            text = text.replace(before, after)
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "cache").mkdir()
        (folder / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\nworker_processes 1;\nuser root;\npid {folder}/nginx.pid;\n"
            f"error_log {folder}/error.log info;\nevents {{}}\nhttp {{\n{LOG}"
            f"access_log {folder}/access.log served;\n{temporary}{text}\n}}\n"
        )

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def served(self, part: str) -> list[tuple[str, str]]:
        """Status and cache status of every answer so far for a path with ``part`` in it."""
        lines = [line.split() for line in (self.folder / "access.log").read_text().splitlines()]
        return [(status, cached) for _, path, status, cached in lines if part in path]

    def refresh(self) -> None:
        """What an operator's timer does."""
        operations = self.site.operations
        ensure_crls(operations)
        lists = [_pem_crl(crl.content) for crl in all_crls(operations)]
        (self.folder / "crl.pem").write_bytes(b"".join(lists))
        (self.folder / "anchors.pem").write_text("".join(operations.trust().anchors_pem))

    @asynccontextmanager
    async def running(self):
        process = await asyncio.to_thread(self._start)
        try:
            deadline = time.monotonic() + 10
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        break
                assert process.poll() is None, (self.folder / "out").read_text()
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
            yield self
        finally:
            process.terminate()
            process.wait(10)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [NGINX, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        with (self.folder / "out").open("wb") as out:
            return subprocess.Popen(command, stderr=subprocess.STDOUT, stdout=out)

    def client(self, outpost=None) -> httpx.AsyncClient:
        context = ssl.create_default_context(cafile=str(self.site.anchor))
        if outpost is not None:
            chain = [outpost.certificate, self.site.operations.keyring.intermediate.certificate]
            file = self.folder / f"{outpost.id}.pem"
            file.write_bytes(private_key_to_pem(outpost.keys.private_key, None) + certificates_to_pem(chain))
            context.load_cert_chain(file)
        return httpx.AsyncClient(base_url=self.url, verify=context, trust_env=False)


def _pem_crl(der):
    process = subprocess.run(["openssl", "crl", "-inform", "DER"], input=der, capture_output=True, check=True)
    return process.stdout

"""A whole TUF repository with its server, in memory: real keys of any type, every role open to a test's will.

``Simulator()`` has published version 1 of everything. A test changes ``root``, ``targets``, ``delegated`` or the
signers, publishes, and alters what is served under a name through ``serve``. Names are as they stand in a URL.
"""

import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

TOP_LEVEL = ("root", "timestamp", "snapshot", "targets")
KEY_TYPES: dict[str, Callable[[], CryptoSigner]] = {
    "ed25519": CryptoSigner.generate_ed25519,
    "ecdsa": CryptoSigner.generate_ecdsa,
    "rsa": CryptoSigner.generate_rsa,
}
Served = bytes | None | Callable[[], bytes | None]


def real_now() -> datetime:
    """The system's time in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class Simulator:
    """See the module docstring. ``signers`` hold who signs for a role; a delegated role's are added with it."""

    now: datetime = field(default_factory=real_now)
    hashes: bool = False
    """Whether timestamp and snapshot state hash and length of what they name."""
    consistent: bool = True

    def __post_init__(self) -> None:
        expires = self.now + timedelta(days=30)
        self.signers: dict[str, list[CryptoSigner]] = {role: [KEY_TYPES["ed25519"]()] for role in TOP_LEVEL}
        self.root = Root(expires=expires, consistent_snapshot=self.consistent)
        self.timestamp = Timestamp(expires=expires)
        self.snapshot = Snapshot(expires=expires)
        self.targets = Targets(expires=expires)
        self.delegated: dict[str, Targets] = {}
        self.files: dict[str, bytes] = {}
        self.artifacts: dict[str, bytes] = {}
        self.serve: dict[str, Served] = {}
        self.asked: list[str] = []
        for part in (self.root, self.timestamp, self.snapshot, self.targets):
            part.version = 0
        for role in TOP_LEVEL:
            self.entitle(role)
        self.publish_root()
        self.publish()

    # Keys

    def entitle(self, role: str, signers: list[CryptoSigner] | None = None, threshold: int = 1) -> None:
        """Make ``signers`` (default: the present ones) the keys of a top-level role in the next root."""
        self.signers[role] = signers or self.signers[role]
        for signer in self.signers[role]:
            self.root.keys[signer.public_key.keyid] = signer.public_key
        self.root.roles[role] = Role([signer.public_key.keyid for signer in self.signers[role]], threshold)

    def rotate(self, *roles: str, count: int = 1, threshold: int = 1, kind: str = "ed25519") -> None:
        """Give each of ``roles`` new keys and publish the root that says so."""
        old = self.signers["root"]
        for role in roles:
            self.entitle(role, [KEY_TYPES[kind]() for _ in range(count)], threshold)
        self.publish_root([*old, *(signer for signer in self.signers["root"] if signer not in old)])

    # Content

    def role(self, name: str) -> Targets:
        """The targets of ``name``, top level or delegated."""
        return self.targets if name == "targets" else self.delegated[name]

    def delegate(
        self,
        delegator: str,
        name: str,
        *,
        paths: list[str] | None = None,
        prefixes: list[str] | None = None,
        terminating: bool = False,
        signers: list[CryptoSigner] | None = None,
        threshold: int = 1,
    ) -> None:
        """Let ``delegator`` delegate to ``name``, which is made if there is none yet."""
        signers = signers or self.signers.get(name) or [KEY_TYPES["ed25519"]()]
        self.signers.setdefault(name, signers)
        if name not in self.delegated:
            self.delegated[name] = self._unpublished()
        if paths is None and prefixes is None:
            paths = ["*"]
        keyids = [signer.public_key.keyid for signer in signers]
        role = DelegatedRole(name, keyids, threshold, terminating, paths=paths, path_hash_prefixes=prefixes)
        parent = self.role(delegator)
        if parent.delegations is None:
            parent.delegations = Delegations({}, roles={})
        parent.delegations.roles[name] = role
        for signer in signers:
            parent.delegations.keys[signer.public_key.keyid] = signer.public_key

    def delegate_succinctly(self, delegator: str, bit_length: int, prefix: str) -> None:
        """Let ``delegator`` delegate everything to 2**bit_length bins (TAP 15)."""
        signer = KEY_TYPES["ed25519"]()
        bins = SuccinctRoles([signer.public_key.keyid], 1, bit_length, prefix)
        self.role(delegator).delegations = Delegations({signer.public_key.keyid: signer.public_key}, None, bins)
        for name in bins.get_roles():
            self.signers[name] = [signer]
            self.delegated[name] = self._unpublished()

    def add_target(self, path: str, content: bytes, role: str = "targets", algorithms: tuple[str, ...] = ("sha256",)):
        """Put an artifact into ``role``; it is signed with the next publication."""
        target = TargetFile.from_data(path, content, list(algorithms))
        self.role(role).targets[path] = target
        if not self.root.consistent_snapshot:
            self.artifacts[path] = content
            return
        directory, slash, name = path.rpartition("/")
        for digest in target.hashes.values():
            self.artifacts[f"{directory}{slash}{digest}.{name}"] = content

    def _unpublished(self) -> Targets:
        targets = Targets(expires=self.targets.expires)
        targets.version = 0
        return targets

    # Publication

    def sign(self, part, signers: list[CryptoSigner]) -> bytes:
        """Metadata with a signature of each of ``signers``."""
        metadata = Metadata(part)
        for signer in signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def publish_root(self, signers: list[CryptoSigner] | None = None) -> bytes:
        """The next root, signed by ``signers`` (default: the root's own)."""
        self.root.version += 1
        data = self.sign(self.root, signers or self.signers["root"])
        self.files[f"{self.root.version}.root.json"] = data
        return data

    def publish_targets(self, name: str = "targets") -> bytes:
        """The next version of a targets role, and what the snapshot says of it."""
        part = self.role(name)
        part.version += 1
        data = self._store(name, part)
        self.snapshot.meta[f"{name}.json"] = self._meta(part.version, data)
        return data

    def publish_snapshot(self) -> bytes:
        """The next snapshot, and what the timestamp says of it."""
        self.snapshot.version += 1
        data = self._store("snapshot", self.snapshot)
        self.timestamp.snapshot_meta = self._meta(self.snapshot.version, data)
        return data

    def publish_timestamp(self) -> bytes:
        """The next timestamp."""
        self.timestamp.version += 1
        self.files["timestamp.json"] = self.sign(self.timestamp, self.signers["timestamp"])
        return self.files["timestamp.json"]

    def publish(self, *delegated: str) -> None:
        """The next version of the top-level roles and of ``delegated`` (and of those never published)."""
        for name, part in self.delegated.items():
            if name in delegated or part.version == 0:
                self.publish_targets(name)
        self.publish_targets()
        self.publish_snapshot()
        self.publish_timestamp()

    def sign_again(self) -> None:
        """Sign snapshot and timestamp as they are now, at the versions they have, so that nothing else is wrong."""
        self.timestamp.snapshot_meta = self._meta(self.snapshot.version, self._store("snapshot", self.snapshot))
        self.files["timestamp.json"] = self.sign(self.timestamp, self.signers["timestamp"])

    def _meta(self, version: int, data: bytes) -> MetaFile:
        return MetaFile.from_data(version, data, ["sha256"]) if self.hashes else MetaFile(version)

    def _store(self, name: str, part) -> bytes:
        data = self.sign(part, self.signers[name])
        file = f"{quote(name, safe='')}.json"
        self.files[f"{part.version}.{file}" if self.root.consistent_snapshot else file] = data
        return data

    # Service

    def metadata(self, filename: str) -> bytes | None:
        """What a client gets under ``filename``."""
        self.asked.append(filename)
        served = self.serve.get(filename, self.files.get(filename))
        return served() if callable(served) else served

    def artifact(self, path: str) -> bytes | None:
        """What a client gets under ``path`` of the targets."""
        self.asked.append(path)
        served = self.serve.get(path, self.artifacts.get(path))
        return served() if callable(served) else served

    @contextmanager
    def over_http(self):
        """Serve on loopback; gives the base URL, under which are ``metadata/`` and ``targets/``."""
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            wbufsize = -1  # one packet for headers and body: two would wait for a delayed acknowledgement
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                kind, _, name = self.path.lstrip("/").partition("/")
                data = simulator.metadata(name) if kind == "metadata" else simulator.artifact(unquote(name))
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


def version_of(data: bytes) -> int:
    """The version that a metadata file states."""
    return json.loads(data)["signed"]["version"]

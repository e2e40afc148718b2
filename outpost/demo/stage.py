"""What the demo's story is played on: the three programs as processes, and a client to talk to them."""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from outpost.demo.processes import DemoFailed, Running, command, free_ports, run
from outpost.demo.provider import KEY_VARIABLE as STANDIN_KEY_VARIABLE
from pki.files import write_private

MODEL: Final = "standin-chat"
PROVIDER_URL_VARIABLE: Final = "OUTPOST_PROVIDER_URL"
PROVIDER_KEY_VARIABLE: Final = "OUTPOST_PROVIDER_KEY"
PROVIDER_MODEL_VARIABLE: Final = "OUTPOST_PROVIDER_MODEL"
DEFAULT_REAL_MODEL: Final = "gpt-4o-mini"
ANSWER_TIMEOUT_S: Final = 60.0
DELIVERY_TIMEOUT_S: Final = 60.0  # the outpost's longest pause between two tries at a control plane that is back
PROVIDER_ID: Final = "openai"  # the id in the routing that `control-plane init` publishes


@dataclass(frozen=True, slots=True)
class Provider:
    """Where inspected requests go, and whether we can look at what it received."""

    base_url: str
    model: str
    api_key: str | None
    is_standin: bool


class Stage:
    """Control plane, outpost and provider on loopback ports of their own, with all files under one directory."""

    def __init__(
        self,
        directory: Path,
        control_plane_variables: Mapping[str, str] | None = None,
        outpost_variables: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self._control_plane_variables = dict(control_plane_variables or {})
        self._outpost_variables = dict(outpost_variables or {})
        self.outpost_data = directory / "outpost"
        self._ports = dict(zip(("platform", "sync", "proxy", "admin", "provider"), free_ports(5), strict=True))
        self._http = httpx.Client(timeout=ANSWER_TIMEOUT_S, trust_env=False)
        self._processes: dict[str, Running] = {}
        self.provider = self._choose_provider()
        self.api_key = ""

    @property
    def base_url(self) -> str:
        """What a client of the outpost is given."""
        return f"http://127.0.0.1:{self._ports['proxy']}/v1"

    @property
    def admin_url(self) -> str:
        """The outpost's admin port."""
        return f"http://127.0.0.1:{self._ports['admin']}"

    @property
    def provider_url(self) -> str:
        """The stand-in, without ``/v1``."""
        return f"http://127.0.0.1:{self._ports['provider']}"

    @property
    def control_plane_urls(self) -> tuple[str, str]:
        """Enrolment and synchronisation."""
        return tuple(f"https://127.0.0.1:{self._ports[name]}" for name in ("platform", "sync"))  # type: ignore[return-value]

    def start_provider(self, *options: str) -> None:
        """Start the stand-in, with more of its options."""
        port = str(self._ports["provider"])
        arguments = [sys.executable, "-m", "outpost.demo.provider", "--port", port, *options]
        key = {STANDIN_KEY_VARIABLE: self.provider.api_key or ""}
        self._spawn("provider", arguments, key, lambda: self._is_ok(f"{self.provider_url}/standin/stats"))

    def init_control_plane(self) -> None:
        """Initialise the control plane, keep the virtual key it prints, and hand it the provider's key to seal."""
        arguments = ["init", "--json", "--provider-url", self.provider.base_url]
        self.api_key = json.loads(self.control_plane(*arguments))["virtual_key"]
        if self.provider.api_key:
            file = self.directory / "provider-key"
            write_private(file, self.provider.api_key.encode())
            self.control_plane("secret", "set", f"provider/{PROVIDER_ID}", "--file", str(file))
            file.unlink()

    def serve_control_plane(self) -> float:
        """Start serving; returns the seconds until it was ready."""

        def is_up() -> bool:
            # Its certificate's authority is known to outposts only; that it answers is all that is asked here.
            with httpx.Client(verify=False, trust_env=False) as probe:  # noqa: S501
                return _is_ok(probe, f"{self.control_plane_urls[0]}/readyz")

        return self._spawn("control-plane", [command("control-plane"), "serve"], self._control_settings(), is_up)

    def enrol(self, name: str) -> str:
        """Make a one-use token and register the outpost with it; returns its id."""
        token = json.loads(self.control_plane("outpost", "create", name, "--json"))["token"]
        printed = self.outpost("register", "--json", variables={"OUTPOST_ENROLMENT_TOKEN": token})
        return str(json.loads(printed)["outpost_id"])

    def run_outpost(self, *, until: str = "/readyz") -> float:
        """Start the outpost; returns the seconds until ``until`` answered 200."""
        url = f"{self.admin_url}{until}"
        return self._spawn("outpost", [command("outpost"), "run"], self._outpost_settings(), lambda: self._is_ok(url))

    def kill(self, name: str) -> None:
        """End a process as a power cut would."""
        self._processes[name].kill()

    def stop(self, name: str) -> None:
        """Ask a process to end."""
        self._processes[name].stop()

    def pid(self, name: str) -> int:
        """Of a process that was started.

        Raises:
            DemoFailed: It is not running.
        """
        process = self._processes[name].process
        if process is None:
            raise DemoFailed(f"{name} is not running")
        return process.pid

    def control_plane(self, *arguments: str) -> str:
        """Run a ``control-plane`` command; returns its output."""
        return run([command("control-plane"), *arguments], self._control_settings(), self.directory)

    def outpost(self, *arguments: str, variables: dict[str, str] | None = None, expect: int = 0) -> str:
        """Run an ``outpost`` command that must end with ``expect``; returns its output."""
        settings = self._outpost_settings() | (variables or {})
        return run([command("outpost"), *arguments], settings, self.directory, expect=expect)

    def ask(self, text: str) -> httpx.Response:
        """One chat completion."""
        return self._http.post(f"{self.base_url}/chat/completions", headers=self._headers(), json=self._body(text))

    @contextmanager
    def stream(self, text: str) -> Iterator[httpx.Response]:
        """One streamed chat completion."""
        body = self._body(text) | {"stream": True}
        with self._http.stream(
            "POST", f"{self.base_url}/chat/completions", headers=self._headers(), json=body
        ) as answer:
            yield answer

    def health(self) -> dict[str, Any]:
        """What the outpost says of itself."""
        report: dict[str, Any] = self._http.get(f"{self.admin_url}/health").json()
        return report

    def wait_delivered(self) -> int:
        """Wait until the control plane has countersigned every audit event; returns how many.

        Raises:
            DemoFailed: It takes too long.
        """
        deadline = time.monotonic() + DELIVERY_TIMEOUT_S
        while True:
            audit = self.health()["audit"]
            if audit["size"] == audit["delivered"]:
                return int(audit["size"])
            if time.monotonic() > deadline:
                raise DemoFailed(
                    f"{audit['delivered']} of {audit['size']} events delivered in {DELIVERY_TIMEOUT_S:g} s"
                )
            time.sleep(0.2)

    def forget_received(self) -> None:
        """Make the stand-in forget what it has received."""
        self._http.delete(f"{self.provider_url}/standin/requests").raise_for_status()

    def received(self) -> list[Any]:
        """The request bodies that the stand-in has received since then."""
        requests = self._http.get(f"{self.provider_url}/standin/requests").raise_for_status().json()
        return [json.loads(request["body"]) for request in requests["requests"]]

    def close(self) -> None:
        """End every process."""
        for process in reversed(self._processes.values()):
            process.stop()
        self._http.close()

    def _choose_provider(self) -> Provider:
        url = os.environ.get(PROVIDER_URL_VARIABLE)
        if url:
            model = os.environ.get(PROVIDER_MODEL_VARIABLE, DEFAULT_REAL_MODEL)
            return Provider(url.rstrip("/"), model, os.environ.get(PROVIDER_KEY_VARIABLE), is_standin=False)
        return Provider(f"{self.provider_url}/v1", MODEL, f"sk-standin-{secrets.token_hex(16)}", is_standin=True)

    def _control_settings(self) -> dict[str, str]:
        return {
            "CONTROL_PLANE_DATA_DIR": str(self.directory / "control-plane"),
            "CONTROL_PLANE_SERVER_NAMES": '["127.0.0.1", "localhost"]',
            "CONTROL_PLANE_PLATFORM_HOST": "127.0.0.1",
            "CONTROL_PLANE_PLATFORM_PORT": str(self._ports["platform"]),
            "CONTROL_PLANE_OUTPOST_HOST": "127.0.0.1",
            "CONTROL_PLANE_OUTPOST_PORT": str(self._ports["sync"]),
            **self._control_plane_variables,
        }

    def _outpost_settings(self) -> dict[str, str]:
        return {
            "OUTPOST_DATA_DIR": str(self.outpost_data),
            "OUTPOST_CONTROL_PLANE_URL": self.control_plane_urls[0],
            "OUTPOST_LISTEN_HOST": "127.0.0.1",
            "OUTPOST_LISTEN_PORT": str(self._ports["proxy"]),
            "OUTPOST_ADMIN_PORT": str(self._ports["admin"]),
            **self._outpost_variables,
        }

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def _body(self, text: str) -> dict[str, Any]:
        return {"model": self.provider.model, "messages": [{"role": "user", "content": text}]}

    def _is_ok(self, url: str) -> bool:
        return _is_ok(self._http, url)

    def _spawn(self, name: str, arguments: list[str], settings: dict[str, str], is_up: Callable[[], bool]) -> float:
        process = Running(name, arguments, settings, self.directory, self.directory / f"{name}.log")
        self._processes[name] = process
        return process.start(is_up)


def _is_ok(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url, timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False

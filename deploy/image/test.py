"""Runs both images the way production would, and checks what they promise. Called by ``make image-test``.

One network, three containers (control plane, outpost, stand-in provider), each with a read-only root, no capabilities,
no new privileges and a numeric user. Prints one line per promise; exit code 0 only if all of them held.
Needs a container engine and Python's standard library, nothing else. Leaves nothing behind.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

DOCKER = os.environ.get("DOCKER", "docker")
VERSION = os.environ.get("VERSION", "latest")
OUTPOST, CONTROL_PLANE = f"hybrid-outpost:{VERSION}", f"hybrid-outpost-control-plane:{VERSION}"
HARDENED = (
    "--read-only",
    "--tmpfs",
    "/tmp",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--user",
    "10001:10001",
)
CARD = "4111 1111 1111 1111"  # the industry's test number
BUILD_TOOLS = ("pip", "pip3", "gcc", "cc", "g++", "make", "uv", "git", "curl", "wget")
HEALTHY_WITHIN_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """A promise did not hold."""


def docker(*arguments: str, check: bool = True, **options) -> str:
    """Run the engine's client and return its output."""
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, check=False, timeout=180, **options)
    if check and done.returncode:
        raise Failed(f"docker {' '.join(arguments[:3])} …: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout if check else done.stdout + done.stderr


def promise(text: str, held: object, detail: str = "") -> None:
    """One line of the report."""
    print(f"{'ok  ' if held else 'FAIL'} {text}{f' ({detail})' if detail else ''}", flush=True)
    if not held:
        raise Failed(text)


def until(what: str, ready: Callable[[], bool], within_s: float = HEALTHY_WITHIN_S) -> float:
    """Wait; returns the seconds it took."""
    start = time.monotonic()
    while not ready():
        if time.monotonic() - start > within_s:
            raise Failed(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - start


class Site:
    """The containers of one test, by their role."""

    def __init__(self, stack: ExitStack) -> None:
        self.name = f"image-test-{secrets.token_hex(4)}"
        self._stack = stack
        docker("network", "create", self.name)
        stack.callback(docker, "network", "rm", self.name, check=False)
        for volume in ("control-plane", "outpost"):
            docker("volume", "create", self.of(volume))
            stack.callback(docker, "volume", "rm", "--force", self.of(volume), check=False)

    def of(self, role: str) -> str:
        """The full name of a container or volume."""
        return f"{self.name}-{role}"

    def start(self, role: str, image: str, *arguments: str, options: tuple[str, ...] = (), **environment: str) -> None:
        """Start a container that other containers reach by its role."""
        variables = [part for name in environment for part in ("--env", name)]
        docker(
            *("run", "--detach", "--name", self.of(role), "--network", self.name, "--network-alias", role),
            *(*HARDENED, *options, *variables, image, *arguments),
            env={**os.environ, **environment},  # by name only: a secret never stands on a command line
        )
        self._stack.callback(docker, "rm", "--force", "--volumes", self.of(role), check=False)

    def once(self, image: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """Run a command to its end on the control plane's data."""
        volume = ("--volume", f"{self.of('control-plane')}:/data")
        return docker(
            "run", "--rm", "--network", self.name, *HARDENED, *volume, *SERVER_NAMES, *options, image, *arguments
        )

    def health(self, role: str) -> str:
        """What the engine's health check says."""
        return docker("inspect", "--format", "{{.State.Health.Status}}", self.of(role)).strip()

    def execute(self, role: str, *command: str) -> tuple[int, str]:
        """Run a command inside a running container."""
        done = subprocess.run(
            [DOCKER, "exec", self.of(role), *command], capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stdout + done.stderr

    def url(self, role: str, port: int) -> str:
        """Where a published port is on this machine."""
        return "http://" + docker("port", self.of(role), f"{port}/tcp").split()[0]


SERVER_NAMES = ("--env", 'CONTROL_PLANE_SERVER_NAMES=["control-plane","localhost"]')


def chat(url: str, key: str, text: str) -> tuple[int, dict]:
    """One chat completion; the status and the parsed body."""
    body = {"model": "standin-chat", "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as err:
        return err.code, json.load(err)


def status_of(url: str) -> int:
    """The status of a GET; 0 if nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as err:
        return err.code
    except OSError:
        return 0


def images_are_small_and_bare() -> None:
    """No way to build or install in the images, and a numeric user."""
    for image in (OUTPOST, CONTROL_PLANE):
        config = json.loads(docker("image", "inspect", image))[0]
        promise(f"{image} runs as a numeric user that is not root", config["Config"]["User"] == "10001:10001")
        promise(f"{image} has a health check", bool(config["Config"].get("Healthcheck")))
        script = f"for tool in {' '.join(BUILD_TOOLS)}; do command -v $tool; done; "
        script += "python -c 'import pip'; python -m ensurepip"
        found = docker("run", "--rm", *HARDENED, "--entrypoint", "sh", image, "-c", script, check=False)
        tools = [line for line in found.splitlines() if line.rsplit("/", 1)[-1] in BUILD_TOOLS]
        lacking = "No module named 'pip'" in found and "No module named ensurepip" in found
        promise(f"{image} holds no build tool and no pip", not tools and lacking, ", ".join(tools))
        if image == OUTPOST:
            whole = docker("run", "--rm", *HARDENED, image, "models", "verify", "default", check=False)
            promise(f"{image} holds the default model pack, and it runs", "runs on cpu" in whole, whole.strip())
        base = config["Config"]["Labels"]["org.opencontainers.image.base.name"]
        print(f"     {image}: {config['Size'] / 1e6:.0f} MB, on {base}")
        own = sum(_layer_bytes(image))
        print(f"     of that our own layers: {own / 1e6:.0f} MB")


def _layer_bytes(image: str) -> list[int]:
    history = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}}\t{{.CreatedBy}}", image)
    lines = [line.split("\t", 1) for line in history.splitlines()]
    ours = next((number for number, (_, by) in enumerate(lines) if "PYTHONDONTWRITEBYTECODE" in by), len(lines))
    return [int(size) for size, _ in lines[: ours + 1]]


def hardening_holds(site: Site) -> None:
    """What a process inside can and cannot do."""
    for role in ("control-plane", "outpost"):
        _, user = site.execute(role, "id", "-u")
        promise(f"the {role} is not root", user.strip() == "10001", user.strip())
        code, _ = site.execute(role, "sh", "-c", "echo x > /opt/x || echo x > /etc/x || echo x > /x")
        promise(f"the {role} cannot write its own image", code != 0)
        _, capabilities = site.execute(role, "sh", "-c", "grep CapEff /proc/1/status")
        promise(f"the {role} has no capability", int(capabilities.split()[-1], 16) == 0)


def enforcement(site: Site, key: str, when: str) -> None:
    """A card number is refused, a clean prompt answered."""
    url = site.url("outpost", 8300)
    status, body = chat(url, key, f"Please charge {CARD} for the hotel.")
    code = body.get("error", {}).get("code")
    promise(f"{when}: a card number is refused", (status, code) == (403, "policy_blocked"), f"{status} {code}")
    status, body = chat(url, key, "Say hello.")
    promise(f"{when}: a clean prompt is answered", status == 200 and bool(body.get("choices")), str(status))


def nothing_leaked(site: Site, planted: dict[str, str]) -> None:
    """No output of any container holds what must not be there."""
    for role in ("control-plane", "outpost"):
        output = docker("logs", site.of(role), check=False)
        found = [name for name, text in planted.items() if text in output]
        promise(f"the {role}'s output holds no secret and no prompt", bool(output) and not found, ", ".join(found))


def main() -> None:
    """The whole story, once."""
    images_are_small_and_bare()
    with ExitStack() as stack:
        story(Site(stack))
    with ExitStack() as stack:
        composed(stack)
    print("every promise held")


def story(site: Site) -> None:
    """From nothing to enforcement without a control plane."""
    site.start(
        "provider",
        OUTPOST,
        "-m",
        "outpost.demo.provider",
        "--host",
        "0.0.0.0",
        "--port",
        "8080",
        options=("--entrypoint", "python"),
    )
    first = json.loads(site.once(CONTROL_PLANE, "init", "--provider-url", "http://provider:8080/v1", "--json"))
    volume = ("--volume", f"{site.of('control-plane')}:/data")
    site.start("control-plane", CONTROL_PLANE, options=(*volume, *SERVER_NAMES))
    took = until("control plane healthy", lambda: site.health("control-plane") == "healthy")
    promise("the control plane becomes healthy", True, f"{took:.1f} s")

    token = json.loads(site.once(CONTROL_PLANE, "outpost", "create", "first", "--json"))["token"]
    outpost_volume = ("--volume", f"{site.of('outpost')}:/data", "--publish", "127.0.0.1::8300")
    site.start(
        "outpost",
        OUTPOST,
        options=outpost_volume,
        OUTPOST_CONTROL_PLANE_URL="https://control-plane:8100",
        OUTPOST_ENROLMENT_TOKEN=token,
        OUTPOST_PROVIDER_KEYS='{"openai": "provider-key-for-the-test"}',
    )
    took = until("outpost ready", lambda: status_of(f"{site.url('outpost', 8300)}/readyz") == 200)
    promise("docker run with a token registers and becomes ready", True, f"{took:.1f} s")
    until("outpost healthy", lambda: site.health("outpost") == "healthy")
    key = first["virtual_key"]
    hardening_holds(site)
    enforcement(site, key, "with the control plane")

    docker("stop", site.of("control-plane"))
    docker("restart", site.of("outpost"))
    took = until("outpost ready", lambda: status_of(f"{site.url('outpost', 8300)}/readyz") == 200)
    promise("restarted without the control plane, it is ready from its cache", True, f"{took:.1f} s")
    enforcement(site, key, "without the control plane")
    until("outpost healthy", lambda: site.health("outpost") == "healthy")

    code, output = site.execute("outpost", "outpost", "audit", "verify")
    promise("the audit log verifies inside the container", code == 0, output.strip().splitlines()[-1] if output else "")
    started = time.monotonic()
    docker("stop", "--time", "20", site.of("outpost"))
    exit_code = docker("inspect", "--format", "{{.State.ExitCode}}", site.of("outpost")).strip()
    promise("SIGTERM ends it cleanly", exit_code == "0", f"exit code {exit_code}, {time.monotonic() - started:.1f} s")
    nothing_leaked(
        site,
        {"card": CARD, "key": key, "token": token, "provider key": "provider-key-for-the-test", "prompt": "Say hello"},
    )


def composed(stack: ExitStack) -> None:
    """deploy/compose.yaml brings everything up, twice, and the second time with what the first left."""
    if "version" not in docker("compose", "version", check=False):
        print("skip compose: this client has no compose plug-in")
        return
    environment = {
        **os.environ,
        "PROVIDER_URL": "http://provider:8080/v1",
        **dict.fromkeys(("PLATFORM_PORT", "SYNC_PORT", "OUTPOST_PORT"), "0"),
    }
    project = f"image-test-{secrets.token_hex(4)}"
    file = str(ROOT / "deploy" / "compose.yaml")

    def compose(*arguments: str, check: bool = True) -> str:
        return docker(
            "compose",
            "--project-name",
            project,
            "--file",
            file,
            "--profile",
            "standin",
            *arguments,
            check=check,
            env=environment,
        )

    def ready() -> bool:
        address = compose("port", "outpost", "8300", check=False).strip()
        return ":" in address and status_of(f"http://{address}/readyz") == 200

    stack.callback(compose, "down", "--volumes", "--timeout", "5", check=False)
    compose("up", "--detach")
    took = until("composed outpost ready", ready)
    promise("compose brings both up, health-gated", True, f"ready {took:.1f} s after the containers started")
    printed = re.search(r"sk-op-[0-9A-Za-z-]+", compose("logs", "--no-color", "control-plane-init"))
    address = compose("port", "outpost", "8300").strip()
    status, body = chat(f"http://{address}", printed[0], CARD)
    promise(
        "composed: a card number is refused", (status, body["error"]["code"]) == (403, "policy_blocked"), str(status)
    )
    compose("down", "--timeout", "5")
    compose("up", "--detach")
    until("composed outpost ready again", ready)
    promise("composed again on the same volumes: the identity and the key are the same", True)
    address = compose("port", "outpost", "8300").strip()
    status, _ = chat(f"http://{address}", printed[0], "Say hello.")
    promise("composed again: a clean prompt is answered", status == 200, str(status))


if __name__ == "__main__":
    try:
        main()
    except Failed as err:
        sys.exit(f"image test failed: {err}")

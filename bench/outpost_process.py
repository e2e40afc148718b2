"""Bring up a real outpost before the benchmark's provider, the way an operator would: every step is a command.

A control plane of its own runs beside it, because delivering the audit log is part of what an outpost does; what
the control plane itself uses of the machine is measured apart. The policy is the default one of a new org.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.load import Target
from outpost.demo.processes import DemoFailed, Running, command, free_ports, run

PROBE_TIMEOUT_S = 2.0


class CannotStart(Exception):
    """The outpost could not be brought up; the message says why."""


@contextmanager
def running_outpost(
    upstream_url: str, directory: Path, *, name: str = "outpost", variables: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """The outpost, ready, in front of ``upstream_url``; all its files lie under ``directory``.

    ``name`` is that of the target; ``variables`` are settings of its own.

    Raises:
        CannotStart: A step of the way did not work.
    """
    platform, sync, proxy, admin = free_ports(4)
    control_settings = {
        "CONTROL_PLANE_DATA_DIR": str(directory / "control-plane"),
        "CONTROL_PLANE_SERVER_NAMES": '["127.0.0.1"]',
        "CONTROL_PLANE_PLATFORM_HOST": "127.0.0.1",
        "CONTROL_PLANE_PLATFORM_PORT": str(platform),
        "CONTROL_PLANE_OUTPOST_HOST": "127.0.0.1",
        "CONTROL_PLANE_OUTPOST_PORT": str(sync),
    }
    outpost_settings = {
        "OUTPOST_DATA_DIR": str(directory / "outpost"),
        "OUTPOST_CONTROL_PLANE_URL": f"https://127.0.0.1:{platform}",
        "OUTPOST_LISTEN_HOST": "127.0.0.1",
        "OUTPOST_LISTEN_PORT": str(proxy),
        "OUTPOST_ADMIN_PORT": str(admin),
        "OUTPOST_PROVIDER_KEYS": json.dumps({"openai": "sk-bench", "anthropic": "sk-bench"}),
        **(variables or {}),
    }
    control = Running(
        "control-plane",
        [command("control-plane"), "serve"],
        control_settings,
        directory,
        directory / "control-plane.log",
    )
    served = Running("outpost", [command("outpost"), "run"], outpost_settings, directory, directory / "outpost.log")
    try:
        initialise = [command("control-plane"), "init", "--json", "--provider-url", f"{upstream_url}/v1"]
        key = json.loads(run(initialise, control_settings, directory))["virtual_key"]
        control.start(lambda: is_ok(f"https://127.0.0.1:{platform}/readyz"))
        create = [command("control-plane"), "outpost", "create", "bench", "--json"]
        token = json.loads(run(create, control_settings, directory))["token"]
        run([command("outpost"), "register"], outpost_settings | {"OUTPOST_ENROLMENT_TOKEN": token}, directory)
        served.start(lambda: is_ok(f"http://127.0.0.1:{admin}/readyz"))
        yield Target(name, f"http://127.0.0.1:{proxy}", key, _pid(served), _pid(control))
    except DemoFailed as err:
        raise CannotStart(str(err)) from err
    finally:
        served.stop()
        control.stop()


def is_ok(url: str) -> bool:
    # Asks only whether somebody is up; the control plane's authority is known to nobody here.
    with httpx.Client(verify=False, trust_env=False, timeout=PROBE_TIMEOUT_S) as client:
        try:
            return client.get(url).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


def _pid(process: Running) -> int:
    assert process.process is not None
    return process.process.pid

"""``unseal`` and ``seal``: people hand their shares to the control plane that runs on this machine."""

from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from control_plane.api.seal import SEAL, SHARES
from control_plane.commands.shared import ConfigOption, DataDirOption, JsonOption, print_done, read_share, settings
from control_plane.errors import InvalidRequest, ShareRefused
from control_plane.initialise import require_initialised
from control_plane.keyring import DataDir
from control_plane.seal import read_seal, socket_path
from control_plane.unsealing import is_answered

_TIMEOUT_S = 30.0  # the last share opens the installation: a scrypt and a database


def unseal(
    *,
    status: Annotated[bool, typer.Option("--status", help="Only show how many shares are given.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Drop the shares given so far.")] = False,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give one share to the control plane that is serving here: typed unseen, or one line on stdin.

    Example: control-plane unseal
    """
    if status and reset:
        raise typer.BadParameter("say --status or --reset, not both")
    with _socket(config, data_dir) as http:
        now = _ask(http, "DELETE" if reset else "GET", SHARES if reset else SEAL)
        if now["sealed"] and not status and not reset:
            share = read_share(f"One share ({now['given']} of {now['threshold']} are given)")
            now = _ask(http, "POST", SHARES, share)
    _print(now, as_json=as_json)


def seal(*, data_dir: DataDirOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Stop the control plane that is serving here from using the authorities' keys until it is unsealed again.

    Example: control-plane seal
    """
    with _socket(config, data_dir) as http:
        now = _ask(http, "POST", SEAL)
    _print(now, as_json=as_json)


def _socket(config: Path | None, data_dir: Path | None) -> httpx.Client:
    folder = settings(config, data_dir).data_dir
    require_initialised(folder)
    if read_seal(DataDir(folder).ca) is None:
        raise InvalidRequest("the keys of this installation are not in shares (`control-plane init --shamir`)")
    path = socket_path(folder)
    if not is_answered(path):
        raise InvalidRequest("nothing is serving here; start `control-plane serve` first")
    transport = httpx.HTTPTransport(uds=str(path))
    return httpx.Client(transport=transport, base_url="http://seal", timeout=_TIMEOUT_S, trust_env=False)


def _ask(http: httpx.Client, method: str, path: str, share: str | None = None) -> dict[str, Any]:
    try:
        answer = http.request(method, path, json=None if share is None else {"share": share})
    except httpx.HTTPError as err:
        raise InvalidRequest(f"the control plane did not answer ({type(err).__name__}); see its log") from err
    values: dict[str, Any] = answer.json()
    if not answer.is_success:
        raise ShareRefused(str(values.get("message")))
    return values


def _print(now: dict[str, Any], *, as_json: bool) -> None:
    progress = f"{now['given']} of {now['threshold']} shares given"
    print_done(now, f"sealed: {progress}" if now["sealed"] else "unsealed", as_json=as_json)

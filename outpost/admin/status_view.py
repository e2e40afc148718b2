"""``outpost status`` for people: one table, the state first, colours where the terminal has them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

_TIMES: Final = (("last_asked_at", "asked"), ("last_downloaded_at", "downloaded"), ("last_applied_at", "applied"))
_TIER_COLOURS: Final = {"fresh": "green", "stale": "yellow", "expired": "bold red"}
_SKEW_WARN_S: Final = 30  # TLS and expiries forgive minutes; half a minute says that nobody keeps the clock
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def status_table(status: dict[str, Any], at: datetime) -> Table:
    """The report of ``gather``, with ages as of ``at``."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")  # a key that is cut off cannot be copied
    for name, value in _rows(status, at):
        table.add_row(name, value)
    return table


def span(seconds: float) -> str:
    """A duration in its two largest units: ``6 d 4 h``."""
    left, parts = int(abs(seconds)), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _rows(status: dict[str, Any], at: datetime) -> Iterator[tuple[str, str]]:
    yield "state", _state(status)
    version = f", version {status['version']}" if status.get("version") else ""
    yield "outpost", escape(f"{status['outpost_id']} of {status['org_id']}{version}")
    yield from _policy(status.get("bundle"))
    yield from _models(status.get("models") or {})
    sync = status.get("sync") or {}
    for key, word in _TIMES:
        yield word, _moment(sync.get(key), at)
    if sync.get("refused_reason"):
        number, reason = sync.get("refused_version"), sync["refused_reason"]
        told = reason if number is None else f"version {number}: {reason}"
        yield "refused", f"[bold red]{escape(told)}[/]"
    yield "certificate", _certificate(status["certificate_expires_at"], at)
    yield "clock", _clock(status.get("clock") or {})
    audit = status.get("audit")
    if audit:
        waiting = audit["size"] - audit["delivered"]
        yield "audit", f"{audit['size']} events, {audit['delivered']} delivered, {waiting} waiting"
    yield "audit verifier key", escape(status["audit_vkey"])
    for task, reason in (sync.get("failing") or {}).items():
        yield "failing", f"[yellow]{escape(f'{task}: {reason}')}[/]"
    for line in status.get("problems", []):
        yield "problem", f"[bold red]{escape(str(line))}[/]"
    for line in status.get("warnings", []):
        yield "warning", f"[yellow]{escape(str(line))}[/]"


def _state(status: dict[str, Any]) -> str:
    if status["ready"]:
        return "[bold green]ready[/]" if status.get("state") == "green" else "[bold yellow]ready[/], with warnings"
    if status["running"]:
        return "[bold red]running, refusing requests[/]"
    return "[bold red]not running[/]; below is what lies on disk"


def _policy(bundle: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if not bundle:
        yield "policy", "[bold red]none verified[/]"
        return
    tier = str(bundle["freshness"])
    yield "policy", f"version {bundle['snapshot_version']}, [{_TIER_COLOURS.get(tier, '')}]{tier}[/]"
    yield "signed", f"{_seconds(bundle['signed_at'])} ({span(bundle['age_s'])} ago)"
    left = bundle["refused_in_s"]
    until = _seconds(bundle["enforceable_until"])
    if left < 0:
        yield "enforceable until", f"[bold red]{until}, {span(left)} ago: everything is refused[/]"
    else:
        colour = "yellow" if bundle["offline_percent"] >= 50 else "green"  # noqa: PLR2004 - as the first warning
        yield "enforceable until", f"{until} ([{colour}]{span(left)} left[/])"


def _models(models: dict[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = models.get("bundle_pack") or {}
    if wanted.get("digest"):
        whole = "" if wanted.get("whole", True) else ", [bold red]not whole here[/]"
        yield "models", f"{escape(wanted['name'])} {escape(wanted['version'])}, the bundle's{whole}"
    elif models.get("pack"):
        yield "models", f"{escape(models['pack'])}, this outpost's own"
    if wanted.get("fetching"):
        yield "fetching", escape(str(wanted["fetching"]))
    if models.get("problem"):
        yield "models fail", f"[bold red]{escape(str(models['problem']))}[/]"


def _moment(value: Any, at: datetime) -> str:
    if value is None:
        return "never"
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return f"{_seconds(moment)} ({span((at - moment).total_seconds())} ago)"


def _certificate(expires_at: str, at: datetime) -> str:
    left = (datetime.fromisoformat(expires_at) - at).total_seconds()
    if left < 0:
        return f"[bold red]expired at {_seconds(expires_at)}, {span(left)} ago[/]"
    return f"until {_seconds(expires_at)} ({span(left)} left)"


def _clock(clock: dict[str, Any]) -> str:
    skew_s = clock.get("skew_s")
    if skew_s is None:
        return "not compared yet"
    colour = "yellow" if abs(skew_s) > _SKEW_WARN_S else "green"
    return f"[{colour}]{skew_s:+.0f} s[/] from the control plane's"


def _seconds(moment: datetime | str) -> str:
    at = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
    return f"{at:%Y-%m-%d %H:%M:%S}Z"

"""What an operator must know of both ends of the proxy: providers that fail, and the certificate that clients see.

Of a provider and its keys: whether it is asked, since when none of its answers was one, how the last request to it
ended (``outpost.proxy.attempts.Outcome``). Never a key, an address, or a word of a request. Pure but for the gauge.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge

from outpost.proxy.attempts import Outcome
from outpost.proxy.client_tls import Validity
from outpost.proxy.health import GOOD, Known, Standing

# Whoever renews does so after two thirds of a lifetime (Let's Encrypt, cert-manager): then something is wrong.
_EXPIRING_SHARE: Final = 0.2
_EXPIRING: Final = timedelta(days=14)
_STATES: Final = {Standing.EJECTED: "ejected", Standing.PROBE: "probe", Standing.HEALTHY: "failing"}


def provider_report(ids: Iterable[str], known: Sequence[Known], at: datetime, at_s: float) -> list[dict[str, Any]]:
    """Every provider of the bundle (``ids``), and each key of which something is known.

    ``at`` and ``at_s`` are one moment, by the clock and by the monotonic clock of ``known``. A key is told by its id;
    ``None`` stands for the provider itself.
    """
    providers = dict.fromkeys(ids)
    by_subject = {one.subject: one for one in known if one.subject[0] in providers}
    subjects = sorted({*by_subject, *((name, None) for name in providers)}, key=lambda one: (one[0], one[1] or ""))
    return [_line(*subject, by_subject.get(subject), at, at_s) for subject in subjects]


def _line(provider: str, key: str | None, known: Known | None, at: datetime, at_s: float) -> dict[str, Any]:
    health = GOOD if known is None else known.health
    line: dict[str, Any] = {"provider": provider, "key": key, "state": "healthy"}
    if known is None or health == GOOD:
        return line | {"since": None, "until": None, "reason": None, "failures": 0}
    until = None if health.until_s is None else at + timedelta(seconds=health.until_s - at_s)
    return line | {
        "state": _STATES[health.standing(at_s)],
        "since": (at + timedelta(seconds=known.since_s - at_s)).isoformat(timespec="seconds"),
        "until": None if until is None else until.isoformat(timespec="seconds"),
        "reason": known.reason,
        "failures": health.failures,
    }


def provider_warnings(report: Iterable[dict[str, Any]]) -> list[str]:
    """Providers that are left in peace, and keys that are refused; a key that rests for a moment is no news."""
    found = []
    for line in report:
        if line["state"] in {"healthy", "failing"}:
            continue
        if line["key"] is None:
            found.append(f"provider {line['provider']} fails ({line['reason']}) since {line['since']}")
        elif line["reason"] == Outcome.KEY_REFUSED:
            found.append(f"provider {line['provider']} refuses its key {line['key']} since {line['since']}")
    return found


def certificate_report(validity: Validity | None, at: datetime) -> dict[str, Any] | None:
    """Of the certificate that clients of the proxy see; None without TLS."""
    if validity is None:
        return None
    return {
        "not_before": validity.not_before_at.isoformat(),
        "not_after": validity.not_after_at.isoformat(),
        "state": _certificate_state(validity, at),
    }


def certificate_warning(validity: Validity | None, at: datetime) -> str | None:
    """What must be done about it; None if nothing."""
    if validity is None:
        return None
    since, until = f"{validity.not_before_at:%Y-%m-%dT%H:%M:%SZ}", f"{validity.not_after_at:%Y-%m-%dT%H:%M:%SZ}"
    texts = {
        "not_yet_valid": f"the proxy's TLS certificate is valid only from {since} on",
        "expiring": f"the proxy's TLS certificate ends at {until} and has not been renewed",
        "expired": f"the proxy's TLS certificate ended at {until}; clients refuse it",
    }
    return texts.get(_certificate_state(validity, at))


def _certificate_state(validity: Validity, at: datetime) -> str:
    if at < validity.not_before_at:
        return "not_yet_valid"
    if at > validity.not_after_at:
        return "expired"
    lifetime = validity.not_after_at - validity.not_before_at
    return "expiring" if validity.not_after_at - at < min(_EXPIRING_SHARE * lifetime, _EXPIRING) else "ok"


def watch_certificate(validity: Callable[[], Validity | None], registry: CollectorRegistry) -> None:
    """Have a metric say when the certificate ends."""
    gauge = Gauge(
        "outpost_listener_certificate_not_after_seconds",
        "When the TLS certificate of the proxy port ends, in seconds since 1970; 0 without TLS",
        registry=registry,
    )

    def read() -> float:
        now = validity()
        return 0.0 if now is None else now.not_after_at.timestamp()

    gauge.set_function(read)

from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from outpost.admin.status_view import span, status_table

AT = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
STATUS = {
    "running": True,
    "ready": True,
    "state": "green",
    "version": "0.1.0",
    "org_id": "acme",
    "outpost_id": "edge-1",
    "certificate_expires_at": (AT + timedelta(days=3, hours=2)).isoformat(),
    "audit_vkey": "key",
    "bundle": {
        "snapshot_version": 7,
        "freshness": "fresh",
        "signed_at": (AT - timedelta(hours=1)).isoformat(),
        "age_s": 3_600,
        "enforceable_until": (AT + timedelta(days=6, hours=23)).isoformat(),
        "refused_in_s": 601_200,
        "offline_percent": 0.6,
    },
    "sync": {"last_asked_at": (AT - timedelta(seconds=30)).isoformat(), "last_applied_at": AT - timedelta(days=1)},
    "clock": {"skew_s": 0.4},
    "audit": {"size": 12, "delivered": 9},
}


def text(**changes) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(status_table(STATUS | changes, AT))
    return captured.get()


def test_everything_at_a_glance():
    lines = [" ".join(line.split()) for line in text().splitlines()]
    assert lines == [
        "state ready",
        "outpost edge-1 of acme, version 0.1.0",
        "policy version 7, fresh",
        "signed 2026-06-01 11:00:00Z (1 h ago)",
        "enforceable until 2026-06-08 11:00:00Z (6 d 23 h left)",
        "asked 2026-06-01 11:59:30Z (30 s ago)",
        "downloaded never",
        "applied 2026-05-31 12:00:00Z (1 d ago)",
        "certificate until 2026-06-04 14:00:00Z (3 d 2 h left)",
        "clock +0 s from the control plane's",
        "audit 12 events, 9 delivered, 3 waiting",
        "audit verifier key key",
    ]


OTHERS = [
    ({"state": "yellow", "warnings": ["soon"]}, ["ready, with warnings", "warning", "soon"]),
    ({"ready": False, "problems": ["no_policy: none"]}, ["running, refusing requests", "no_policy: none"]),
    (
        {"ready": False, "running": False, "clock": None},
        ["not running; below is what lies", "not compared yet"],
    ),
    ({"bundle": None, "sync": None, "audit": None}, ["none verified", "never"]),
    (
        {"sync": {"refused_version": 8, "refused_reason": "smoke.json: case [x]", "failing": {"refresh": "no answer"}}},
        ["version 8: smoke.json: case [x]", "refresh: no answer"],
    ),
    ({"sync": {"refused_reason": "cached bundle"}}, ["refused             cached bundle"]),
    (
        {"bundle": STATUS["bundle"] | {"freshness": "expired", "refused_in_s": -90}},
        ["expired", "1 min 30 s ago: everything is refused"],
    ),
    ({"certificate_expires_at": (AT - timedelta(hours=1)).isoformat()}, ["expired at 2026-06-01 11:00:00Z, 1 h ago"]),
]


@pytest.mark.parametrize(("changes", "expected"), OTHERS)
def test_what_is_not_well(changes, expected):
    out = text(**changes)
    assert all(words in out for words in expected), out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3_661, "1 h 1 min"), (86_400 * 6 + 5, "6 d 5 s"), (-7_200, "2 h")],
)
def test_spans(seconds, words):
    assert span(seconds) == words

"""Texts as tools return them: several pieces in one form, with names, marks and values drawn anew each time; pure.

An attack in a field of JSON, a cell or a line of a log has other neighbours than one in prose. The same forms are made
of honest pieces only, so that no form says by itself whether there is an attack in it.
"""

import html
import json
import random
from collections.abc import Callable, Sequence

_KEYS = (
    "text", "body", "content", "snippet", "description", "comment", "message", "note", "notes", "summary", "value",
    "title", "subject", "remarks", "details", "answer", "question", "review", "caption", "label", "excerpt", "payload",
    "output", "result", "bio", "about", "reason", "feedback", "line", "entry", "memo", "transcript", "abstract",
)  # fmt: skip
_LISTS = (
    "results", "items", "rows", "data", "messages", "documents", "hits", "entries", "records", "comments", "events",
    "tickets", "pages", "nodes", "edges", "matches", "emails", "posts", "files", "chunks", "value", "response",
)  # fmt: skip
_SIDES = (
    "id", "rank", "score", "status", "lang", "type", "page", "version", "priority", "count", "channel", "source",
    "author_id", "created_at", "is_read", "views", "hash", "etag", "price", "stars",
)  # fmt: skip
_STATES = ("open", "closed", "ok", "new", "done", "pending", "true", "en", "null", "INFO", "low", "internal", "draft")
_TAGS = ("p", "li", "td", "div", "span", "h2", "blockquote", "dd", "figcaption", "a", "em", "article", "item", "row")
_NAMES = ("kim", "lee", "ana", "user", "assistant", "agent", "support", "m.k.", "host", "guest", "bot", "A", "B", "you")
_LEVELS = ("INFO", "WARN", "ERROR", "DEBUG", "info", "notice", "[I]", "<6>")
Form = Callable[[Sequence[str], random.Random], list[tuple[str, str, str]]]
"""Of each piece what stands before it, the piece as the form writes it, and what stands after it."""


def rendered(pieces: Sequence[str], rng: random.Random) -> tuple[str, list[tuple[int, int]]]:
    """The pieces in one form, and where each of them is in it, half-open, in code points."""
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    length = 0
    for before, piece, after in rng.choice(_FORMS)(pieces, rng):
        start = length + len(before)
        places.append((start, start + len(piece)))
        parts += (before, piece, after)
        length = start + len(piece) + len(after)
    return "".join(parts), places


def _side(rng: random.Random) -> tuple[str, object]:
    number = rng.choice((rng.randrange(10), rng.randrange(100_000), round(rng.random(), 3)))
    return rng.choice(_SIDES), rng.choice((number, rng.choice(_STATES), _day(rng)))


def _day(rng: random.Random) -> str:
    day = f"20{rng.randint(12, 27)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    return rng.choice((day, f"{day}T{_hour(rng)}Z", f"{day} {_hour(rng)}"))


def _hour(rng: random.Random) -> str:
    return f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"


def _json(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    key, listed, plain = rng.choice(_KEYS), rng.choice(_LISTS), rng.random() < 0.25
    comma, colon = rng.choice(((", ", ": "), (",", ":"), (",\n  ", ": ")))
    sides = [rng.choice(_SIDES) for _ in range(rng.randrange(3))]
    made = []
    for number, piece in enumerate(pieces):
        before = "" if number else f'{{"{listed}"{colon}['
        fields = [f"{json.dumps(name)}{colon}{json.dumps(_side(rng)[1])}" for name in sides]
        if not plain:
            before += "{" + comma.join([*fields, f'"{key}"{colon}'])
        tail = "" if plain else "}"
        tail += f"]{comma}{json.dumps(rng.choice(_SIDES))}{colon}null}}" if number == len(pieces) - 1 else comma
        made.append((before + '"', json.dumps(piece, ensure_ascii=rng.random() < 0.1)[1:-1], '"' + tail))
    return made


def _lines_of_json(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    key, side = rng.choice(_KEYS), rng.choice(_SIDES)
    return [
        (f'{{"{side}": {json.dumps(_side(rng)[1])}, "{key}": "', json.dumps(piece, ensure_ascii=False)[1:-1], '"}\n')
        for piece in pieces
    ]


def _markup(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    tag, inner = rng.choice(_TAGS), rng.choice(("", "", f' class="{rng.choice(_KEYS)}"', f' id="{rng.randrange(99)}"'))
    outer = rng.choice(("", "ul", "table", "section", "body", "feed"))
    gap = rng.choice(("", "\n", "\n  "))
    made = []
    for number, piece in enumerate(pieces):
        head = f"<{outer}>{gap}" if outer and not number else ""
        tail = f"</{outer}>" if outer and number == len(pieces) - 1 else ""
        written = html.escape(piece, quote=False) if rng.random() < 0.6 else piece
        made.append((f"{head}<{tag}{inner}>", written, f"</{tag}>{gap}{tail}"))
    return made


def _table(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    mark = rng.choice((",", ";", "\t", " | "))
    head = mark.join((*rng.sample(_SIDES, 2), rng.choice(_KEYS), rng.choice(_SIDES))) + "\n"
    quote = '"' if mark in ",;" else ""
    return [
        (
            ("" if number else head) + f"{rng.randrange(9_999)}{mark}{_side(rng)[1]}{mark}{quote}",
            piece.replace('"', '""').replace("\n", " ") if quote else piece.replace("\n", " "),
            f"{quote}{mark}{rng.choice(_STATES)}\n",
        )
        for number, piece in enumerate(pieces)
    ]


def _log(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    name, level = rng.choice(("worker", "app", "mail.in", "sync", "sshd", "crm", "bot")), rng.choice(_LEVELS)
    form = rng.choice(("{day} {level} {name}: ", "[{day}] {name}[{number}] ", "{level} {hour} - ", "{day} {level} "))
    return [
        (
            form.format(day=_day(rng), hour=_hour(rng), level=level, name=name, number=rng.randrange(9_999)),
            piece.replace("\n", " "),
            "\n",
        )
        for piece in pieces
    ]


def _mails(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    size = rng.randint(1, 4)
    quote = rng.choice(("", "", "> "))
    head = "From: {name}@mail.example\nDate: {day}\nSubject: Re: {about}\n\n"
    made = []
    for number, piece in enumerate(pieces):
        first = number % size == 0
        before = head.format(name=rng.choice(_NAMES), day=_day(rng), about=rng.choice(_KEYS)) if first else ""
        end = rng.choice(("\n\nBest regards\n\n", "\n--\nSent from my phone\n\n", "\n\n"))
        made.append((before + quote, piece, end if (number + 1) % size == 0 else "\n"))
    return made


def _chat(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    form = rng.choice(("{name}: ", "[{hour}] {name}: ", "<{name}> ", "{name} ({hour})\n", "**{name}** "))
    return [(form.format(name=rng.choice(_NAMES), hour=_hour(rng)), piece, "\n") for piece in pieces]


def _code(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    mark = rng.choice(("# ", "// ", "-- ", "; ", " * "))
    lines = ("x = load({n})", "return rows[{n}]", "if n > {n}:", "assert total == {n}", "echo {n}", "SELECT {n};", "")
    return [
        (mark, piece.replace("\n", "\n" + mark), f"\n{rng.choice(lines).format(n=rng.randrange(99))}\n")
        for piece in pieces
    ]


def _listed(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    form = rng.choice(("- ", "* ", "{n}. ", "[{n}] ", "## {n}\n", "--- page {n} ---\n", "{n})\t", "Result {n}: "))
    gap = rng.choice(("\n", "\n\n"))
    return [(form.format(n=number + 1), piece, gap) for number, piece in enumerate(pieces)]


def _found(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    site = rng.choice(("https://site{n}.example/{k}", "www.{k}{n}.example", "file:///{k}/{n}.md", "doc-{n}#{k}"))
    made = []
    for piece in pieces:
        name = rng.choice(("URL", "Source", "Title", "source", "link"))
        where = site.format(n=rng.randrange(999), k=rng.choice(_KEYS))
        made.append((f"{name}: {where}\n", piece, rng.choice(("\n\n", "\n---\n", " ...\n"))))
    return made


def _settings(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    key = rng.choice(_KEYS)
    quote = rng.choice(('"', "'", ""))
    return [
        (f"- {rng.choice(_SIDES)}: {_side(rng)[1]}\n  {key}: {quote}", piece.replace("\n", " "), f"{quote}\n")
        for piece in pieces
    ]


def _prose(pieces: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    gap = rng.choice((" ", "\n", "\n\n"))
    return [("", piece, gap) for piece in pieces]


_FORMS: tuple[Form, ...] = (
    _json, _json, _lines_of_json, _markup, _markup, _table, _log, _mails, _chat, _code, _listed, _found, _settings,
    _prose, _prose,
)  # fmt: skip

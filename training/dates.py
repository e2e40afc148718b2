"""Dates and times as people write them: exact days, stretches of time, and what is told from now.

A leading preposition or article may stand in a value; ``training.template`` leaves it outside the span. Chance comes in
as a ``random.Random``. Pure.
"""

import random
from datetime import datetime, timedelta

from training import words
from training.words import _list

_MONTHS_OTHER = (
    words.MONTHS_DE,
    words.MONTHS_FR,
    words.MONTHS_ES,
    _list("gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre"),
    _list("januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|december"),
    _list("janeiro|fevereiro|março|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro"),
    _list("stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia"),
    _list("januari|februari|mars|april|maj|juni|juli|augusti|september|oktober|november|december"),
)
_ORDINALS = _list("first|second|third|fourth|fifth|sixth|seventh|tenth|twelfth|fifteenth|twentieth|thirtieth")
_SEASONS = _list("spring|summer|autumn|winter|fall")
_DECADES = _list("twenties|thirties|fifties|sixties|seventies|eighties|nineties")
_UNITS = _list("minutes|hours|days|weeks|months|years")
_HOLIDAYS = _list(
    "Christmas Eve|New Year's Eve|New Year's Day|Boxing Day|Good Friday|Easter Monday|Thanksgiving|Labor Day|Halloween|Valentine's Day|Memorial Day|Christmas Day"
)
_WORDS = _list("one|two|three|four|five|six|ten|twelve|twenty|a few|several|a couple of")


def day(at: datetime, rng: random.Random) -> str:
    """The day ``at``, or its month or year alone, in one of many written forms."""
    shape = rng.random()
    if shape < 0.40:
        return _figures(at, rng)
    if shape < 0.90:
        return _named(at, rng)
    month = rng.choice((words.MONTHS, words.MONTHS_SHORT))[at.month - 1]
    return rng.choice((
        f"{at:%Y}", f"{at:%Y}", f"{month} {at:%Y}", f"{month} {at:%Y}", f"{month}, {at:%Y}", f"{month}-{at:%y}", f"{at:%m}/{at:%Y}", f"{at:%Y}-{at:%m}", f"'{at:%y}",
    ))  # fmt: skip


def _figures(at: datetime, rng: random.Random) -> str:
    sep = rng.choice("/.-")
    return rng.choice((
        f"{at:%Y-%m-%d}", f"{at:%Y-%m-%d}", f"{at:%Y/%m/%d}", f"{at.month}/{at.day}/{at:%Y}", f"{at.month}/{at.day}/{at:%Y}", f"{at.month}/{at.day}/{at:%y}", f"{at:%m/%d/%Y}",
        f"{at:%d}{sep}{at:%m}{sep}{at:%Y}", f"{at:%d}{sep}{at:%m}{sep}{at:%Y}", f"{at:%m}{sep}{at:%d}{sep}{at:%y}", f"{at.day}.{at.month}.{at:%Y}", f"{at.day}. {at.month}. {at:%Y}",
        f"{at:%d.%m.}", f"{at.month}/{at.day}", f"{at.day}/{at.month}", f"{at:%Y%m%d}", f"{at:%Y-%m-%d}T{clock_24(rng)}:00Z", f"{at:%Y-%m-%d} {clock_24(rng)}",
    ))  # fmt: skip


def _named(at: datetime, rng: random.Random) -> str:
    month = rng.choice((words.MONTHS, words.MONTHS, words.MONTHS_SHORT))[at.month - 1]
    number, nth, year = at.day, f"{at.day}{_ordinal(at.day)}", f"{at:%Y}"
    other = rng.choice(_MONTHS_OTHER)[at.month - 1]
    return rng.choice((
        f"{month} {number}, {year}", f"{month} {number}, {year}", f"{number} {month} {year}", f"{number} {month} {year}", f"{month} {number} {year}", f"{month} {nth}", f"{month} {number}",
        f"{number} {month}", f"{month} {nth}, {year}", f"{nth} {month} {year}", f"{nth} of {month}", f"the {nth} of {month}", f"the {nth} of {month}, {year}", f"{nth} {month}", f"the {nth}",
        f"{at:%A}, {month} {number}, {year}", f"{at:%A}, {number} {month}", f"{at:%A} {nth} {month}", f"{at:%a} {number} {month}", f"{at:%a}, {number} {month[:3]} {year}", f"{at:%A} the {nth}",
        f"{number}-{month}-{year}", f"{number:02d}{month[:3].upper()}{year}", f"{number:02d} {month[:3].upper()} {at:%y}", f"{number} {month} '{at:%y}", f"{month.lower()} {number}",
        f"{month[:3]}. {number}, {year}", f"{month} {rng.choice(_ORDINALS)}", f"the {rng.choice(_ORDINALS)} of {month}", f"{number}. {words.MONTHS_DE[at.month - 1]} {year}",
        f"{number} {other} {year}", f"{number} {other}", f"{number} de {words.MONTHS_ES[at.month - 1]} de {year}", f"1er {words.MONTHS_FR[at.month - 1]} {year}", f"{other} {year}",
    ))  # fmt: skip


def stretch(at: datetime, rng: random.Random) -> str:
    """A month, a season, a quarter, a decade or a range around ``at``."""
    month = rng.choice((words.MONTHS, words.MONTHS_SHORT))[at.month - 1]
    year, last = at.year, at + timedelta(days=rng.randint(1, 20))
    dash = rng.choice(("-", "–", " - ", " to "))
    return rng.choice((
        f"{year}{dash}{year + rng.randint(1, 9)}", f"{year}/{(year + 1) % 100:02d}", f"{at.day}{dash}{last.day} {month} {year}", f"{month} {at.day}-{last.day}", f"{month}{dash}{words.MONTHS[last.month - 1]} {year}",
        f"{at:%Y-%m-%d}{dash}{last:%Y-%m-%d}", f"early {year}", f"late {month} {year}", f"mid-{year}", f"early {month}", f"{rng.choice(_SEASONS)} {year}", f"{rng.choice(_SEASONS)} of {year}",
        f"Q{rng.randint(1, 4)} {year}", f"Q{rng.randint(1, 4)}", f"{rng.randint(1, 4)}Q{year % 100:02d}", f"H{rng.randint(1, 2)} {year}", f"FY{year % 100:02d}", f"FY {year}", f"week {rng.randint(1, 52)}",
        f"calendar week {rng.randint(1, 52)}", f"{year}-W{rng.randint(10, 52)}", f"the {year // 10 * 10}s", f"{year // 10 * 10}s", f"the {rng.randint(2, 9)}0s", f"'{rng.randint(2, 9)}0s", f"the {rng.choice(_DECADES)}",
        f"the {rng.randint(12, 19)}th century", f"{rng.choice(_HOLIDAYS)} {year}", f"{rng.choice(_HOLIDAYS)}", f"the end of {year}", f"the third quarter of {year}",
    ))  # fmt: skip


def clock_24(rng: random.Random) -> str:
    """Hours and minutes."""
    return f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"


def clock(rng: random.Random) -> str:
    """A time of the day."""
    hour, minute = rng.randint(1, 12), rng.choice(("00", "15", "30", "45", "05", "50"))
    half = rng.choice(("am", "pm", "AM", "PM", "a.m.", "p.m."))
    return rng.choice((
        clock_24(rng), clock_24(rng), f"{clock_24(rng)}:{rng.randint(10, 59)}", f"{hour}:{minute}", f"{hour}:{minute} {half}", f"{hour}{half}", f"{hour} {half}", f"{hour} o'clock",
        f"half past {rng.choice(words.NUMBER_WORDS[:6])}", f"{clock_24(rng)} {rng.choice(('CET', 'UTC', 'GMT', 'EST', 'PT'))}", f"{hour}.{minute} Uhr", f"{rng.randint(8, 20)}h{minute}", "noon", "midnight",
    ))  # fmt: skip


def when(rng: random.Random) -> str:
    """A time told from now or by its name, as an adverb stands in a sentence."""
    shape = rng.random()
    if shape < 0.20:
        return rng.choice(words.TIMES)
    if shape < 0.34:
        return f"{rng.choice(('', 'at '))}{clock(rng)}"
    name, month, number = rng.choice(words.WEEKDAYS), rng.choice(words.MONTHS), rng.randint(2, 30)
    unit, few, season = rng.choice(_UNITS), rng.choice(_WORDS), rng.choice(_SEASONS)
    part = rng.choice(("morning", "afternoon", "evening", "night", "lunchtime"))
    longer = rng.choice(("week", "month", "year", "quarter"))
    units = unit[:-1] if few == "one" else unit
    return rng.choice((
        name, name, f"on {name}", f"next {name}", f"last {name}", f"this {name}", f"{name} {part}", f"on {name} {part}", f"{name} at {clock(rng)}", f"{name}, {clock(rng)}", f"tomorrow {part}", f"yesterday {part}",
        f"this {part}", "tonight", "last night", f"{number} {unit} ago", f"in {number} {unit}", f"{few} {units} ago", f"in {few} {units}", f"the last {number} {unit}", f"next {longer}", f"last {longer}",
        f"early {month}", f"mid-{month}", f"in {month}", f"last {month}", f"next {month}", f"the end of {month}", f"late last {season}", f"in the {season}", f"last {season}", f"Q{rng.randint(1, 4)} {rng.randint(2015, 2030)}",
        f"in the {rng.randint(2, 9)}0s", f"in the {rng.choice(_DECADES)}", f"FY{rng.randint(15, 30)}", f"the {season} of {rng.randint(1950, 2026)}", f"on {rng.choice(_HOLIDAYS)}", "the day after tomorrow", "the day before yesterday",
        "this weekend", "the other day", f"the following {name}", f"{name} week", "next quarter", "at the weekend", f"every {longer}", f"{number} {unit} later", f"{few} {units} earlier",
    ))  # fmt: skip


def _ordinal(number: int) -> str:
    if 10 < number < 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")

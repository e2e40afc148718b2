import random
from datetime import datetime

from training.dates import clock, clock_24, day, stretch, when

AT = datetime(1998, 3, 23)  # noqa: DTZ001 - a day in a text has no zone


def many(make):
    return {make(random.Random(seed)) for seed in range(2_000)}


def test_a_day_is_written_in_many_ways():
    made = many(lambda rng: day(AT, rng))
    assert {"1998-03-23", "23.03.1998", "3/23/98", "March 23, 1998", "23rd of March", "23 MAR 98", "the 23rd"} <= made
    assert {"1998", "March 1998", "23 mars 1998", "23 de marzo de 1998", "Monday, 23 March"} <= made
    assert all(any(map(str.isdigit, text)) or "Mar" in text for text in made)


def test_stretches_and_times_from_now_are_no_days():
    assert {"Q2 1998", "1990s", "early 1998", "FY98", "the nineties", "spring 1998"} <= many(
        lambda rng: stretch(AT, rng)
    )
    assert {"yesterday", "on Friday", "tonight", "last week", "this weekend"} <= many(when)
    assert not many(lambda rng: day(AT, rng)) & many(when)


def test_clocks_show_hours_of_a_day():
    assert all(datetime.strptime(text, "%H:%M") for text in many(clock_24))  # noqa: DTZ007 - a time without a zone
    assert {"noon", "midnight", "3 o'clock"} <= many(clock)

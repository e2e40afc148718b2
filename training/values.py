"""Values for the slots of training sentences: names, places, organisations, dates, codes, in many locales.

Every value is invented (Faker, or composed here) except names of places, well-known companies and common medical
words, which are facts. A value knows its label; what must not be found (an order number, a famous company in passing) has none.
"""

import random
import string
from collections.abc import Callable

from faker import Faker

from training import words

LOCALES = [
    "en_US",
    "en_US",
    "en_US",
    "en_GB",
    "en_GB",
    "en_IN",
    "en_CA",
    "en_AU",
    "en_NG",
    "en_KE",
    "en_PH",
    "en_PK",
    "ga_IE",
    "de_DE",
    "de_AT",
    "de_CH",
    "fr_FR",
    "fr_CH",
    "es_ES",
    "es_MX",
    "es_AR",
    "es_CO",
    "it_IT",
    "nl_NL",
    "pt_BR",
    "pt_PT",
    "pl_PL",
    "sv_SE",
    "da_DK",
    "no_NO",
    "fi_FI",
    "cs_CZ",
    "sk_SK",
    "hu_HU",
    "tr_TR",
    "ro_RO",
    "hr_HR",
    "sl_SI",
    "lt_LT",
    "lv_LV",
    "et_EE",
    "vi_VN",
    "id_ID",
    "zu_ZA",
    "yo_NG",
    "ha_NG",
    "ig_NG",
]
# Whose formats of addresses are like those of the country (others copy the American one).
ADDRESS_LOCALES = [
    "en_US",
    "en_US",
    "en_US",
    "en_GB",
    "en_GB",
    "en_IN",
    "en_CA",
    "en_AU",
    "en_PH",
    "de_DE",
    "de_AT",
    "de_CH",
    "fr_FR",
    "fr_CH",
    "es_ES",
    "es_MX",
    "es_AR",
    "es_CO",
    "it_IT",
    "nl_NL",
    "pt_BR",
    "pt_PT",
    "pl_PL",
    "sv_SE",
    "da_DK",
    "no_NO",
    "fi_FI",
    "cs_CZ",
    "sk_SK",
    "hu_HU",
    "ro_RO",
    "hr_HR",
    "sl_SI",
    "vi_VN",
    "id_ID",
    "zu_ZA",
]

Value = tuple[str, str | None]
IDENTIFIER, LOOKALIKE = "+", "-"
"""Labels of numbers that patterns find (a person's, or something that only looks like it): for the context check alone."""


class Values:
    """Draws values by slot name. One instance per seed; ``locale`` is drawn anew by ``turn`` for each text."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._fakers = {name: Faker(name) for name in sorted({*LOCALES, *ADDRESS_LOCALES})}
        for index, faker in enumerate(self._fakers.values()):
            faker.seed_instance(rng.randrange(2**32) + index)
        self._locale = "en_US"
        self._kept: dict[str, Value] = {}
        self._slots: dict[str, Callable[[], Value]] = {
            name.removeprefix("_slot_"): getattr(self, name) for name in dir(self) if name.startswith("_slot_")
        }

    @property
    def slots(self) -> frozenset[str]:
        """Every slot name."""
        return frozenset(self._slots)

    def turn(self) -> None:
        """Begin another text: a new locale, and nothing remembered."""
        self._locale = self._rng.choice(LOCALES)
        self._kept.clear()

    def __call__(self, slot: str) -> Value:
        """A value for ``slot``; ``slot#n`` gives the same value again within one text."""
        if "#" not in slot:
            return self._slots[slot]()
        if slot not in self._kept:
            self._kept[slot] = self._slots[slot.partition("#")[0]]()
        return self._kept[slot]

    # People

    def _first(self) -> str:
        if self._rng.random() < 0.04:
            return self._rng.choice(words.RARE_FIRST_NAMES)
        return str(self._fakers[self._locale].first_name()).strip()

    def _last(self) -> str:
        if self._rng.random() < 0.06:
            return self._rng.choice(words.COMMON_WORD_SURNAMES)
        return str(self._fakers[self._locale].last_name()).strip()

    def _full(self) -> str:
        rng = self._rng
        first, last = self._first(), self._last()
        shape = rng.random()
        if shape < 0.70:
            return f"{first} {last}"
        if shape < 0.77:
            return f"{first} {rng.choice(string.ascii_uppercase)}. {last}"
        if shape < 0.82:
            return f"{first} {self._first()} {last}"
        if shape < 0.87:
            return f"{first} {last}-{self._last()}"
        if shape < 0.91:
            return f"{last}, {first}"
        if shape < 0.95:
            return f"{first[0]}. {last}"
        if shape < 0.97:
            return f"{first} {rng.choice(words.PARTICLES)} {last}"
        return f"{first[0]}.{rng.choice(string.ascii_uppercase)}. {last}"

    def _slot_person(self) -> Value:
        return self._full(), "PERSON"

    def _slot_first(self) -> Value:
        return self._first(), "PERSON"

    def _slot_last(self) -> Value:
        return self._last(), "PERSON"

    def _slot_person_any(self) -> Value:
        shape = self._rng.random()
        return (self._full() if shape < 0.6 else self._first() if shape < 0.85 else self._last()), "PERSON"

    def _slot_title(self) -> Value:
        return self._rng.choice(words.TITLES), "TITLE"

    def _slot_famous_person(self) -> Value:
        # A name is a name: whether a famous one may pass is the policy's question, not the detector's.
        return self._rng.choice(words.FAMOUS_PEOPLE), "PERSON"

    def _slot_username(self) -> Value:
        rng = self._rng
        first = "".join(c for c in self._first().lower() if c.isalnum())
        last = "".join(c for c in self._last().lower() if c.isalnum())
        shapes = (
            f"{first}.{last}",
            f"{first[:1]}{last}",
            f"{first}{rng.randint(1, 99)}",
            f"{first}_{last[:3]}",
            f"{rng.choice(words.HANDLE_WORDS)}{rng.choice(['', '_', '.', 'x'])}{rng.choice(words.HANDLE_WORDS)}{rng.choice(['', str(rng.randint(1, 2020))])}",
            f"{first}-{last}{rng.randint(1, 9)}",
        )
        return rng.choice(shapes), "USERNAME"

    # Places

    def _slot_city(self) -> Value:
        if self._rng.random() < 0.6:
            return self._rng.choice(words.CITIES), "LOCATION"
        return str(self._fakers[self._rng.choice(ADDRESS_LOCALES)].city()), "LOCATION"

    def _slot_country(self) -> Value:
        return self._rng.choice(words.COUNTRIES), "LOCATION"

    def _slot_region(self) -> Value:
        return self._rng.choice(words.REGIONS), "LOCATION"

    def _slot_place(self) -> Value:
        shape = self._rng.random()
        if shape < 0.45:
            return self._slot_city()
        if shape < 0.8:
            return self._slot_country()
        return self._slot_region()

    def _slot_city_region(self) -> Value:
        left = self._slot_city()[0]
        right = self._rng.choice((self._slot_country()[0], self._rng.choice(words.STATE_CODES), self._slot_region()[0]))
        return f"{left}, {right}", "LOCATION"

    def _slot_street(self) -> Value:
        locale = self._rng.choice(ADDRESS_LOCALES)
        text = str(self._fakers[locale].street_address()).replace("\n", ", ")
        if not any(map(str.isdigit, text)):
            text = f"{text} {self._rng.randint(1, 220)}"
        return " ".join(text.split()), "ADDRESS"

    def _slot_address(self) -> Value:
        rng = self._rng
        locale = rng.choice(ADDRESS_LOCALES)
        faker = self._fakers[locale]
        text = str(faker.address())
        if rng.random() < 0.25:
            text = (
                f"{faker.building_number()} {rng.choice(words.STREET_NAMES)} {rng.choice(words.STREET_TYPES)}"
                f"{rng.choice(['', f' Apt {rng.randint(1, 99)}', f', Suite {rng.randint(100, 990)}', f' #{rng.randint(1, 40)}'])}"
                f"\n{rng.choice(words.CITIES)}, {rng.choice(words.STATE_CODES)} {rng.randint(10000, 99999)}"
            )
        lines = [line.strip().strip(",") for line in text.split("\n") if line.strip()]
        joint = rng.choice([", ", ", ", ", ", "\n", " ", " - ", "\n, "])
        text = joint.join(lines)
        if rng.random() < 0.15:
            text += rng.choice([", ", " ", "\n"]) + rng.choice(words.COUNTRIES)
        return text, "ADDRESS"

    def _slot_postcode(self) -> Value:
        return str(self._fakers[self._rng.choice(ADDRESS_LOCALES)].postcode()), "ADDRESS"

    # Organisations

    def _slot_org(self) -> Value:
        rng = self._rng
        shape = rng.random()
        if shape < 0.3:
            text = str(self._fakers[self._locale].company())
        elif shape < 0.55:
            text = rng.choice(words.COMPANIES)
        elif shape < 0.8:
            pattern = rng.choice(words.ORG_PATTERNS)
            text = pattern.format(
                city=rng.choice(words.CITIES),
                last=self._last(),
                last2=self._last(),
                a=rng.choice(words.BRAND_PARTS).capitalize(),
                b=rng.choice(words.BRAND_ENDS),
                field=rng.choice(words.ORG_FIELDS),
                country=rng.choice(words.COUNTRIES),
            )
        else:
            text = rng.choice(words.INSTITUTIONS)
        return " ".join(text.split()), "ORG"

    # Time, age, nationality

    def _slot_date(self) -> Value:
        rng = self._rng
        day = self._fakers["en_US"].date_object()
        months = rng.choice((words.MONTHS, words.MONTHS_SHORT))
        month = months[day.month - 1]
        sep = rng.choice("/.-")
        shapes = (
            f"{day:%Y-%m-%d}",
            f"{day.month}/{day.day}/{day:%Y}",
            f"{day:%d}{sep}{day:%m}{sep}{day:%Y}",
            f"{day:%m}{sep}{day:%d}{sep}{day:%y}",
            f"{month} {day.day}, {day:%Y}",
            f"{day.day} {month} {day:%Y}",
            f"{month} {day.day}{_ordinal(day.day)}",
            f"the {day.day}{_ordinal(day.day)} of {month}",
            f"{month} {day:%Y}",
            f"{day.day}. {rng.choice(words.MONTHS_DE)} {day:%Y}",
            f"{day.day} {rng.choice(words.MONTHS_FR)} {day:%Y}",
            f"{day:%Y}",
        )
        return rng.choice(shapes), "DATE"

    def _slot_birth(self) -> Value:
        return self._slot_date()[0], "DOB"

    def _slot_when(self) -> Value:
        return self._rng.choice(words.TIMES), "DATE"

    def _slot_age(self) -> Value:
        rng = self._rng
        years = rng.randint(1, 97)
        shapes = (f"{years}", f"{years}", f"{years} years", f"{years} years old", f"{years}-year-old", f"{years}yo")
        return rng.choice(shapes), "AGE"

    def _slot_age_number(self) -> Value:
        return str(self._rng.randint(1, 97)), "AGE"

    def _slot_age_compound(self) -> Value:
        number = self._rng.choice([str(self._rng.randint(2, 95)), self._rng.choice(words.NUMBER_WORDS)])
        return f"{number}-year-old", "AGE"

    def _slot_nationality(self) -> Value:
        return self._rng.choice(words.NATIONALITIES), "NRP"

    # Health

    def _slot_condition(self) -> Value:
        return self._rng.choice(words.CONDITIONS), "CONDITION"

    def _slot_medication(self) -> Value:
        rng = self._rng
        name = rng.choice(words.MEDICATIONS)
        return name, "MEDICATION"

    def _slot_dose(self) -> Value:
        rng = self._rng
        return (
            f"{rng.choice([2.5, 5, 10, 20, 25, 40, 50, 75, 100, 200, 250, 400, 500, 850, 1000]):g} {rng.choice(['mg', 'mg', 'mcg', 'ml', 'units'])}",
            None,
        )

    # Identifiers, secrets and code names that only their context gives away

    def _slot_id(self) -> Value:
        rng = self._rng
        digits = "".join(rng.choices(string.digits, k=rng.randint(5, 11)))
        letters = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))
        shapes = (digits, f"{letters}{digits}", f"{letters}-{digits}", f"{digits[:3]}-{digits[3:]}", f"{digits}{letters}",
                  f"{digits[:4]} {digits[4:]}", f"{letters}{digits[:2]}-{digits[2:]}/{rng.randint(1, 99)}")  # fmt: skip
        return rng.choice(shapes), "ID"

    def _slot_password(self) -> Value:
        rng = self._rng
        word = rng.choice(words.HANDLE_WORDS)
        shapes = (
            f"{word.capitalize()}{rng.randint(1, 2099)}{rng.choice('!?#$*')}",
            f"{word}{rng.choice(words.HANDLE_WORDS)}{rng.randint(0, 99)}",
            "".join(rng.choices(string.ascii_letters + string.digits + "!#$%&*+-?@_", k=rng.randint(8, 16))),
            f"{self._first().lower()}{rng.randint(1950, 2015)}",
            f"{word}-{rng.choice(words.HANDLE_WORDS)}-{rng.choice(words.HANDLE_WORDS)}",
            word.replace("a", "@").replace("o", "0").replace("e", "3") + str(rng.randint(1, 99)),
        )
        return rng.choice(shapes), "PASSWORD"

    def _slot_codename(self) -> Value:
        rng = self._rng
        noun = rng.choice(words.CODENAMES)
        shapes = (
            noun,
            f"{rng.choice(words.CODENAME_ADJECTIVES)} {noun}",
            f"{noun}-{rng.randint(1, 9)}",
            f"{noun} {rng.choice(['X', 'Next', 'II', 'Prime', 'Zero'])}",
        )
        return rng.choice(shapes), "CODENAME"

    # What looks alike and is none

    def _slot_order(self) -> Value:
        rng = self._rng
        digits = "".join(rng.choices(string.digits, k=rng.randint(5, 10)))
        letters = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(2, 3)))
        return rng.choice((digits, f"{letters}-{digits}", f"#{digits}", f"{letters}{digits}")), LOOKALIKE

    def _slot_version(self) -> Value:
        rng = self._rng
        return f"{rng.randint(0, 20)}.{rng.randint(0, 30)}.{rng.randint(0, 30)}", LOOKALIKE

    def _slot_product(self) -> Value:
        return self._rng.choice(words.PRODUCTS), None

    def _slot_topic(self) -> Value:
        return self._rng.choice(words.TOPICS), None

    def _slot_number(self) -> Value:
        return str(self._rng.randint(2, 900)), None

    def _slot_money(self) -> Value:
        rng = self._rng
        amount = rng.randint(5, 90_000)
        return rng.choice(
            (f"${amount:,}", f"€{amount}", f"{amount} EUR", f"£{amount:,}.00", f"{amount} dollars")
        ), LOOKALIKE

    def _slot_job(self) -> Value:
        return self._rng.choice(words.JOBS), None

    def _slot_relation(self) -> Value:
        return self._rng.choice(words.RELATIONS), None

    def _slot_email(self) -> Value:
        faker = self._fakers[self._locale]
        return str(faker.ascii_safe_email()), None

    def _slot_phone(self) -> Value:
        return str(
            self._fakers[self._rng.choice(("en_US", "en_GB", "de_DE", "fr_FR", "es_ES"))].phone_number()
        ), IDENTIFIER

    def _slot_sentence(self) -> Value:
        return self._rng.choice(words.NEUTRAL_SENTENCES), None


def _ordinal(day: int) -> str:
    if 10 < day < 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")

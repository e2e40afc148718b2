"""Values for the slots of training sentences: names, places, organisations, dates, codes, in many locales.

Every value is invented (Faker, or composed here) except names of places, well-known companies and common medical
words, which are facts. A value knows its label; what must not be found (an order number, a famous company in passing) has none.
"""

import random
import string
import unicodedata
from collections.abc import Callable
from datetime import datetime

from faker import Faker

from training import addresses, dates, names, organisations, places, words
from training.disturb import keep_length

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

_LATEST = datetime(2027, 1, 1)  # noqa: DTZ001 - Faker's dates end there, not at the clock's time, which would change the corpus
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
        shape = self._rng.random()
        if shape < 0.20:
            return self._rng.choice(names.FIRST)
        if shape < 0.26:
            return self._rng.choice(names.NICKNAMES)
        if shape < 0.34:
            return names.coined(self._rng, last=False)
        if shape < 0.37:
            return self._rng.choice(words.RARE_FIRST_NAMES)
        return str(self._faker().first_name()).strip()

    def _last(self) -> str:
        shape = self._rng.random()
        if shape < 0.22:
            return self._rng.choice(names.LAST)
        if shape < 0.34:
            return names.coined(self._rng, last=True)
        if shape < 0.38:
            return self._rng.choice(words.COMMON_WORD_SURNAMES)
        return str(self._faker().last_name()).strip()

    def _faker(self) -> Faker:
        """Mostly of the text's locale, now and then of another: people move."""
        return self._fakers[self._locale if self._rng.random() < 0.8 else self._rng.choice(LOCALES)]

    def _full(self) -> str:
        rng = self._rng
        first, last = self._first(), self._last()
        shape = rng.random()
        if shape < 0.68:
            return f"{first} {last}"
        if shape < 0.74:
            return f"{first} {rng.choice(string.ascii_uppercase)}. {last}"
        if shape < 0.76:
            return f"{first} {rng.choice(string.ascii_uppercase)} {last}"
        if shape < 0.81:
            return f"{first} {self._first()} {last}"
        if shape < 0.86:
            return f"{first} {last}{rng.choice('- ')}{self._last()}"
        if shape < 0.90:
            return f"{last}, {first}"
        if shape < 0.93:
            return f"{first[0]}. {last}"
        if shape < 0.96:
            return f"{first} {rng.choice(words.PARTICLES)} {last}"
        if shape < 0.98:
            return f"{first} {last} {rng.choice(names.SUFFIXES)}"
        return f"{first[0]}.{rng.choice(string.ascii_uppercase)}. {last}"

    def _slot_person(self) -> Value:
        return self._full(), "PERSON"

    def _slot_first(self) -> Value:
        return self._first(), "PERSON"

    def _slot_last(self) -> Value:
        return self._last(), "PERSON"

    def _slot_upper(self) -> Value:
        return keep_length(self._full(), str.upper), "PERSON"

    def _slot_person_any(self) -> Value:
        shape = self._rng.random()
        return (self._full() if shape < 0.6 else self._first() if shape < 0.85 else self._last()), "PERSON"

    def _slot_title(self) -> Value:
        rng = self._rng
        shape = rng.random()
        pool = words.TITLES_COMMON if shape < 0.5 else words.TITLES if shape < 0.8 else words.TITLES_MORE
        return rng.choice(pool), "TITLE"

    def _slot_title_upper(self) -> Value:
        return self._rng.choice(words.TITLES_COMMON).upper(), "TITLE"

    def _slot_title_lower(self) -> Value:
        return self._rng.choice(words.TITLES_COMMON).lower(), "TITLE"

    def _slot_title_de(self) -> Value:
        return self._rng.choice(("Herr", "Frau", "Herr Dr.", "Frau Dr.", "Frau Prof.", "Herrn")), "TITLE"

    def _slot_title_fr(self) -> Value:
        return self._rng.choice(("M.", "Mme", "Mlle", "Monsieur", "Madame", "Maître", "Dr", "Mademoiselle")), "TITLE"

    def _slot_title_es(self) -> Value:
        return self._rng.choice(("Sr.", "Sra.", "Srta.", "Señor", "Señora", "Don", "Doña", "Dr.", "Dra.")), "TITLE"

    def _slot_title_it(self) -> Value:
        return self._rng.choice(("Sig.", "Sig.ra", "Signor", "Signora", "Dott.", "Dott.ssa", "Avv.", "Ing.")), "TITLE"

    def _slot_lower(self) -> Value:
        return keep_length(self._full(), str.lower), "PERSON"

    def _slot_initials(self) -> Value:
        """A name of which only the surname is written out."""
        rng = self._rng
        one, two = rng.choices(string.ascii_uppercase, k=2)
        last = self._last()
        return rng.choice(
            (
                f"{one}. {last}",
                f"{one}.{two}. {last}",
                f"{one}. {two}. {last}",
                f"{one} {last}",
                f"{last} {one}.",
                f"{last}, {one}.",
                f"{last} {one}{two}",
            )
        ), "PERSON"

    def _slot_famous_person(self) -> Value:
        # A name is a name: whether a famous one may pass is the policy's question, not the detector's.
        return self._rng.choice(words.FAMOUS_PEOPLE), "PERSON"

    def _slot_username(self) -> Value:
        rng = self._rng
        first, last = _plain(self._first()), _plain(self._last())
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

    def _city(self) -> str:
        shape = self._rng.random()
        if shape < 0.25:
            return self._rng.choice(words.CITIES)
        if shape < 0.72:
            return self._rng.choice(places.CITIES)
        if shape < 0.92:
            return str(self._fakers[self._rng.choice(ADDRESS_LOCALES)].city())
        return names.coined(self._rng, last=True) + self._rng.choice(
            ("", "", "ville", "ton", "burg", " Falls", " Springs")
        )

    def _country(self) -> str:
        shape = self._rng.random()
        if shape < 0.35:
            return self._rng.choice(words.COUNTRIES)
        return self._rng.choice(places.MORE_COUNTRIES) if shape < 0.45 else self._rng.choice(places.PEOPLES)[0]

    def _slot_city(self) -> Value:
        return self._city(), "LOCATION"

    def _slot_country(self) -> Value:
        return self._country(), "LOCATION"

    def _slot_state(self) -> Value:
        return self._rng.choice(places.STATES), "LOCATION"

    def _slot_statecode(self) -> Value:
        return self._rng.choice(places.STATE_CODES), "LOCATION"

    def _slot_region(self) -> Value:
        return self._rng.choice(words.REGIONS if self._rng.random() < 0.3 else places.REGIONS), "LOCATION"

    def _slot_place(self) -> Value:
        shape = self._rng.random()
        if shape < 0.42:
            return self._slot_city()
        if shape < 0.75:
            return self._slot_country()
        return self._slot_region() if shape < 0.9 else self._slot_state()

    def _bare_country(self) -> str:
        return self._country().removeprefix("the ")

    def _slot_street(self) -> Value:
        rng = self._rng
        if rng.random() < 0.5:
            return addresses.street(rng, self._last), "ADDRESS"
        locale = rng.choice(ADDRESS_LOCALES)
        text = str(self._fakers[locale].street_address()).replace("\n", ", ")
        if not any(map(str.isdigit, text)):
            text = f"{text} {rng.randint(1, 220)}"
        return " ".join(text.split()), "ADDRESS"

    def _slot_address(self) -> Value:
        rng = self._rng
        if rng.random() < 0.62:
            return addresses.address(rng, self._last, self._city, self._bare_country), "ADDRESS"
        locale = rng.choice(ADDRESS_LOCALES)
        text = str(self._fakers[locale].address())
        lines = [line.strip().strip(",") for line in text.split("\n") if line.strip()]
        text = rng.choice((", ", ", ", ", ", "\n", "\n", " ", " - ", "\n ")).join(lines)
        if rng.random() < 0.15:
            text += rng.choice((", ", " ", "\n")) + self._bare_country()
        return text, "ADDRESS"

    def _slot_locality(self) -> Value:
        return addresses.locality(self._rng, self._city), "ADDRESS"

    def _slot_pobox(self) -> Value:
        return addresses.box(self._rng), "ADDRESS"

    def _slot_military(self) -> Value:
        return addresses.military(self._rng, self._last), "ADDRESS"

    def _slot_postcode(self) -> Value:
        if self._rng.random() < 0.6:
            return addresses.postcode(self._rng), "ADDRESS"
        return str(self._fakers[self._rng.choice(ADDRESS_LOCALES)].postcode()), "ADDRESS"

    # Organisations

    def _slot_org(self) -> Value:
        rng = self._rng
        shape = rng.random()
        if shape < 0.20:
            text = str(self._faker().company())
        elif shape < 0.28:
            text = rng.choice(words.COMPANIES)
        elif shape < 0.46:
            text = rng.choice(organisations.KNOWN)
        elif shape < 0.52:
            text = rng.choice(words.INSTITUTIONS)
        else:
            text = self._pattern()
        return " ".join(text.split()), "ORG"

    def _pattern(self) -> str:
        rng = self._rng
        shape = rng.random()
        made = rng.choice(
            words.ORG_PATTERNS
            if shape < 0.2
            else organisations.PATTERNS
            if shape < 0.65
            else organisations.MORE_PATTERNS
        )
        parts: dict[str, Callable[[], str]] = {
            "last": self._last, "last2": self._last, "last3": self._last, "first": self._first, "first2": self._first, "city": self._city,
            "country": self._bare_country, "people": lambda: rng.choice(places.PEOPLES)[1], "coined": lambda: names.coined(rng, last=rng.random() < 0.5),
            "a": lambda: rng.choice(words.BRAND_PARTS).capitalize(), "b": lambda: rng.choice(words.BRAND_ENDS), "field": lambda: rng.choice(words.ORG_FIELDS),
            "adjective": lambda: rng.choice(organisations.ADJECTIVES), "thing": lambda: rng.choice(organisations.THINGS),
            "thing2": lambda: rng.choice(organisations.THINGS), "number": lambda: str(rng.randint(4, 990)),
            "initials": lambda: "".join(rng.choices(string.ascii_uppercase, k=rng.randint(2, 4))),
        }  # fmt: skip
        return made.format(**{name: make() for name, make in parts.items() if "{" + name + "}" in made})

    # Time, age, nationality

    def _day(self) -> datetime:
        day = self._fakers["en_US"].date_object(end_datetime=_LATEST)
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a day in a text has no zone

    def _slot_date(self) -> Value:
        rng = self._rng
        if rng.random() < 0.9:
            return dates.day(self._day(), rng), "DATE"
        return dates.stretch(self._day(), rng), "DATE"

    def _slot_birth(self) -> Value:
        return dates.day(self._day(), self._rng), "DOB"

    def _slot_when(self) -> Value:
        return dates.when(self._rng), "DATE"

    def _slot_moment(self) -> Value:
        """A time that stands after a preposition."""
        made = dates.when(self._rng)
        return made.removeprefix("on ").removeprefix("in ").removeprefix("at "), "DATE"

    def _slot_clock(self) -> Value:
        return dates.clock(self._rng), "DATE"

    def _slot_weekday(self) -> Value:
        return self._rng.choice(words.WEEKDAYS[:7]), "DATE"

    def _slot_weekdays(self) -> Value:
        return f"{self._rng.choice(words.WEEKDAYS[:7])}s", "DATE"

    def _slot_age(self) -> Value:
        rng = self._rng
        years = rng.randint(1, 97)
        return rng.choice((f"{years}", f"{years}", f"{years}", rng.choice(words.NUMBER_WORDS))), "AGE"

    def _slot_age_number(self) -> Value:
        return str(self._rng.randint(1, 97)), "AGE"

    def _slot_age_compound(self) -> Value:
        number = self._rng.choice([str(self._rng.randint(2, 95)), self._rng.choice(words.NUMBER_WORDS)])
        return f"{number}-year-old", "AGE"

    def _slot_nationality(self) -> Value:
        shape = self._rng.random()
        if shape < 0.74:
            return self._rng.choice(places.PEOPLES)[1], "NRP"
        if shape < 0.84:
            return self._rng.choice(places.NEIGHBOURS), "NRP"
        return self._rng.choice(places.FAITHS if shape < 0.93 else places.PARTISANS), "NRP"

    def _slot_demonym(self) -> Value:
        """One of a people: a Pole, an Irishman, a Kenyan woman's "Kenyan"."""
        one = self._rng.choice(places.PEOPLES)[2]
        if one.endswith("man") and one[:-3].endswith(("sh", "ch")) and self._rng.random() < 0.4:
            one = one[:-3] + "woman"
        return one, "NRP"

    def _slot_peoples(self) -> Value:
        """Many of a people: Poles, Frenchwomen, the Swiss."""
        row = self._rng.choice(places.PEOPLES)
        many = row[3] if len(row) > 3 else f"{row[2]}s"
        if many.endswith("men") and self._rng.random() < 0.4:
            many = many[:-3] + "women"
        return many, "NRP"

    def _slot_adjective(self) -> Value:
        return self._rng.choice(places.PEOPLES)[1], "NRP"

    def _slot_faith(self) -> Value:
        return self._rng.choice(places.FAITHS), "NRP"

    def _slot_party(self) -> Value:
        return self._rng.choice(places.PARTISANS), "NRP"

    def _slot_language(self) -> Value:
        # A language, not a people: no finding, and its context says so.
        return self._rng.choice(words.LANGUAGES), None

    def _slot_common(self) -> Value:
        """A word that is a name elsewhere, here in its plain sense."""
        return self._rng.choice(words.COMMON_WORD_SURNAMES).lower(), None

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

    def _slot_twin_person(self) -> Value:
        """A person whose name is a place's or a firm's too."""
        return self._rng.choice(words.TWIN_PERSONS), "PERSON"

    def _slot_twin_place(self) -> Value:
        return self._rng.choice(words.TWIN_PLACES), "LOCATION"

    def _slot_twin_firm(self) -> Value:
        return self._rng.choice(words.TWIN_FIRMS), "ORG"

    def _slot_geo(self) -> Value:
        """A place that is named after somebody or something."""
        rng = self._rng
        name = rng.choice((self._last, self._last, self._first, self._city))()
        before = rng.choice(("Lake", "Mount", "Fort", "Port", "Cape", "San", "Saint", "North", "New"))
        after = rng.choice(words.GEOGRAPHY)
        return (f"{before} {name}" if rng.random() < 0.35 else f"{name} {after}"), "LOCATION"

    def _slot_iban(self) -> Value:
        return str(self._fakers[self._rng.choice(("de_DE", "fr_FR", "es_ES", "en_GB", "nl_NL"))].iban()), IDENTIFIER

    def _slot_card(self) -> Value:
        return str(self._fakers["en_US"].credit_card_number()), IDENTIFIER

    def _slot_ip(self) -> Value:
        return str(self._fakers["en_US"].ipv4()), None

    def _slot_url(self) -> Value:
        return str(self._fakers["en_US"].url()), None

    def _slot_host(self) -> Value:
        """The name of a machine or a package, which is no user's."""
        rng = self._rng
        return rng.choice(
            (
                rng.choice(words.HANDLE_WORDS),
                f"{rng.choice(words.HANDLE_WORDS)}-{rng.choice(words.HANDLE_WORDS)}",
                names.coined(rng, last=False).lower(),
            )
        ), None

    def _slot_filler(self) -> Value:
        # A capitalised word that begins a sentence or a heading, and names nothing.
        return self._rng.choice(words.HEADINGS), None

    def _slot_sentence(self) -> Value:
        return self._rng.choice(words.NEUTRAL_SENTENCES), None


def _plain(name: str) -> str:
    """The letters of a name as they stand in user names."""
    made = unicodedata.normalize("NFKD", name.lower())
    return "".join(c for c in made if c.isascii() and c.isalnum()) or "user"

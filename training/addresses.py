"""Postal addresses of many countries and forms, whole or in part: one span each, whatever stands between the parts.

Streets and numbers are invented; ``|`` separates entries. Chance comes in as a ``random.Random``.
"""

import random
import string
from collections.abc import Callable

from training import places, words
from training.words import _list

Name = Callable[[], str]

_GERMAN = _list(
    "Haupt|Garten|Berg|Linden|Schiller|Goethe|Bahnhof|Kirch|Wald|Mozart|Ring|Rosen|Schul|Wiesen|Mühlen|Kaiser|Kant|Birken|Rathaus|Eichen"
)
_GERMAN_ENDS = _list("straße|strasse|str.|weg|allee|gasse|platz|ring|damm|ufer")
_NORDIC_ENDS = _list("gatan|vägen|gade|vej|veien|gata|katu|tie")
_DUTCH_ENDS = _list("straat|laan|weg|plein|gracht|kade|singel")
_ROMANCE = _list(
    "rue|avenue|boulevard|place|chemin|Calle|Avenida|Av.|Paseo|Plaza|Carrera|Rua|Av.|Travessa|Largo|Praça|Via|Viale|Piazza|Corso|Vicolo|Strada|Bulevardul"
)
_ROMANCE_NAMES = _list(
    "de la Paix|Victor Hugo|du Moulin|de l'Église|des Lilas|Saint-Jacques|Mayor|de Alcalá|San Martín|Bolívar|del Sol|Insurgentes|das Flores|da Liberdade|"
    "Augusta|do Comércio|Paulista|Garibaldi|Roma|Dante|Mazzini|della Repubblica|XX Settembre|Unirii|Libertății|9 de Julio|de los Reyes|Reforma|Pasteur"
)
_SLAVIC = _list("ul.|ulica|Ulica|ul|vul.|ulice|utca|út|u.|bulv.|pr.")
_INDIAN = _list(
    "MG Road|Linking Road|Park Street|Anna Salai|Brigade Road|Nehru Nagar|Sector 14|Civil Lines|Station Road|Gandhi Marg|Jubilee Hills|Ring Road"
)
_BUILDINGS = _list(
    "Apartments|Residency|Towers|House|Court|Heights|Villa|Mansions|Enclave|Building|Plaza|Manor|Lodge|Business Park|Centre"
)
_UNITS = _list(
    "Apt. {n}|Apt {n}|Apartment {n}|Suite {n}|Ste {n}|Ste. {n}|Unit {n}|Flat {n}|Floor {f}|{f}th Floor|Room {n}|Bldg {l}|#{n}|Apt. {n}{l}|Unit {l}{n}|PO Box {n}|"
    "2nd floor|c/o Reception|Lot {n}|Level {f}|Piso {f}|{f}º {l}|Hs. {n}|Top 4|bte {n}|Int. {n}|Dept. {l}"
)
_SEPARATORS = (", ", ", ", ", ", "\n", "\n", "\n ", ",\n", " ", "; ", " - ", "\n\t", " / ", "  ")


def _number(rng: random.Random) -> str:
    number = str(rng.choice((rng.randint(1, 99), rng.randint(100, 999), rng.randint(1000, 19999))))
    return number + rng.choice(("", "", "", "", "", "", "a", "B", "-12", "/3", " bis", " 1/2"))


def postcode(rng: random.Random) -> str:
    """A postcode in the form of some country."""
    d = "".join(rng.choices(string.digits, k=9))
    letters = "".join(rng.choices("ABCDEFGHKLMNPRSTVWXY", k=6))
    return rng.choice((
        d[:5], d[:5], d[:5], f"{d[:5]}-{d[5:9]}", d[:4], d[:6], f"{d[:3]} {d[3:6]}", f"{d[:3]} {d[3:5]}", f"{d[:3]}-{d[3:7]}", f"{d[:2]}-{d[2:5]}",
        f"{d[:5]}-{d[5:8]}", f"{d[:4]}-{d[4:7]}", f"{d[:4]} {letters[:2]}", f"{letters[:2]}{d[0]} {d[1]}{letters[2:4]}", f"{letters[0]}{d[:2]} {d[2]}{letters[2:4]}",
        f"{letters[:2]}{d[:2]} {d[2]}{letters[2:4]}", f"{letters[0]}{d[0]}{letters[1]} {d[1]}{letters[2]}{d[2]}", f"D-{d[:5]}", f"CH-{d[:4]}",
    ))  # fmt: skip


def _unit(rng: random.Random) -> str:
    return rng.choice(_UNITS).format(n=rng.randint(1, 2100), f=rng.randint(3, 30), l=rng.choice("ABCDEFG"))


def street(rng: random.Random, last: Name) -> str:
    """A street with a number, as one of many countries writes it."""
    number = _number(rng)
    shape = rng.random()
    if shape < 0.42:
        name = rng.choice(words.STREET_NAMES) if rng.random() < 0.35 else last()
        point = rng.choice(("", "", "", "", "N ", "S. ", "West ", "E ", "NW ", "Old ", "Upper ", "Mt. "))
        name = f"{point}{name} {rng.choice(words.STREET_TYPES)}"
        return f"{number} {name}" if rng.random() < 0.9 else f"{name} {number}"
    if shape < 0.56:
        stem = rng.choice(_GERMAN) if rng.random() < 0.6 else last() + "-" * (rng.random() < 0.3)
        return f"{stem}{rng.choice(_GERMAN_ENDS)} {number}"
    if shape < 0.62:
        return f"{last()}{rng.choice(_NORDIC_ENDS)} {number}"
    if shape < 0.68:
        return f"{last()}{rng.choice(_DUTCH_ENDS)} {number}"
    if shape < 0.84:
        name = f"{rng.choice(_ROMANCE)} {rng.choice(_ROMANCE_NAMES) if rng.random() < 0.6 else last()}"
        return rng.choice(
            (
                f"{number} {name}",
                f"{number}, {name}",
                f"{name} {number}",
                f"{name}, {number}",
                f"{name} nº {number}",
                f"{name} #{number}-{rng.randint(1, 90)}",
            )
        )
    if shape < 0.89:
        return f"{rng.choice(_SLAVIC)} {last()} {number}"
    if shape < 0.95:
        house = rng.choice(
            (
                f"{number}",
                f"No. {number}",
                f"Plot {number}",
                f"H.No. {number}",
                f"Flat {number}, {last()} {rng.choice(_BUILDINGS)}",
                f"{last()} {rng.choice(_BUILDINGS)}",
            )
        )
        return f"{house}, {rng.choice(_INDIAN)}"
    return f"{rng.randint(1, 9)}-{rng.randint(1, 30)}-{rng.randint(1, 30)} {last()}{rng.choice(('-cho', '-ku', '-dong', ' Road', ' Lu'))}"


def military(rng: random.Random, last: Name) -> str:
    """A post office of the American forces."""
    first = rng.choice((
        f"PSC {rng.randint(1, 9999)}, Box {rng.randint(1, 9999)}", f"Unit {rng.randint(1, 99999)} Box {rng.randint(1, 9999)}", f"USNS {last()}", f"USS {last()}",
        f"CMR {rng.randint(100, 999)} Box {rng.randint(1, 999)}", f"USCGC {last()}",
    ))  # fmt: skip
    office = f"{rng.choice(('APO', 'FPO', 'DPO'))} {rng.choice(('AE', 'AP', 'AA'))} {rng.choice(('09', '34', '96'))}{rng.randint(100, 999)}"
    return first + rng.choice(("\n", ", ", " ", "\n ")) + office


def box(rng: random.Random) -> str:
    """A box at a post office, or a rural route."""
    number = rng.randint(1, 9999)
    return rng.choice(
        (
            f"P.O. Box {number}",
            f"PO Box {number}",
            f"P.O.Box {number}",
            f"Postfach {number}",
            f"BP {number}",
            f"Apartado {number}",
            f"RR {number % 9 + 1} Box {number}",
            f"GPO Box {number}",
        )
    )


def locality(rng: random.Random, city: Name) -> str:
    """A place with its postcode, in the order of some country."""
    town, code = city(), postcode(rng)
    state = rng.choice(places.STATE_CODES) if rng.random() < 0.75 else rng.choice(places.STATES)
    return rng.choice((
        f"{town}, {state} {code}", f"{town}, {state} {code}", f"{town} {state} {code}", f"{town}, {state}, {code}", f"{code} {town}", f"{code} {town}", f"{code}, {town}",
        f"{town} {code}", f"{town}, {code}", f"{town} - {code}", f"{town}\n{code}", f"{town} ({code})", f"{code} {town} ({state})",
    ))  # fmt: skip


def address(rng: random.Random, last: Name, city: Name, country: Name) -> str:
    """A whole address: street, perhaps a unit, a place, perhaps state, postcode and country, in one of many orders."""
    shape = rng.random()
    if shape < 0.05:
        return military(rng, last)
    parts = [box(rng) if shape < 0.10 else street(rng, last)]
    if rng.random() < 0.38:
        unit = _unit(rng)
        if rng.random() < 0.4:
            parts[0] += rng.choice((" ", ", ", " ")) + unit
        else:
            parts.insert(rng.choice((0, 1, 1, 1)), unit)
    parts += _place(rng, city, country)
    if rng.random() < 0.12:  # the last two on one line
        parts[-2:] = [rng.choice((" ", ", ")).join(parts[-2:])]
    between = rng.choice(_SEPARATORS)
    if rng.random() < 0.25 and len(parts) > 2:  # lines and commas mixed
        return parts[0] + rng.choice(_SEPARATORS[:8]) + between.join(parts[1:])
    return between.join(parts)


def _place(rng: random.Random, city: Name, country: Name) -> list[str]:
    """What follows the street."""
    form = rng.random()
    if 0.70 <= form < 0.85:
        return [city(), country() + rng.choice((" ", ", ", " ")) + postcode(rng)]
    if form < 0.55:
        parts = [locality(rng, city)]
    elif form < 0.70:
        parts = [city()]
        if rng.random() < 0.5:
            parts.append(rng.choice(places.STATE_CODES if rng.random() < 0.6 else places.STATES))
    else:
        parts = [city(), postcode(rng)]
    return [*parts, country()] if rng.random() < 0.3 else parts

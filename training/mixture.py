"""The mixture that the network is trained on: which kinds of rows, in which shares.

An attack stands alone (a user's message), beside an honest message, or buried in a document. Harmless rows are the same
documents without it, honest messages, texts that use an attack's words innocently, and everything made for entities.
"""

import base64
import codecs
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from training import public, texts
from training.carrier import Carriers
from training.disturb import disturbed, joined
from training.dress import dressed
from training.results import rendered
from training.row import ATTACKS, Row
from training.split import held_out
from training.swap import swapped, untokenised
from training.values import Values

_WINDOW_CHARS = 560  # a little more than 126 tokens of English
_DOCUMENT_CHARS = 5_000  # of one document; long ones of one kind would outweigh the rest
_JAILBREAK_WORDS = re.compile(
    r"\bDAN\b|jailbr|restrict|unfilter|uncensor|polic|ethic|moral|illegal|refus|openai|chatgpt|guideline|no limit|"
    r"do anything|developer mode|persona|comply|obey|disclaimer|ignore|without any|never say|in character",
    re.IGNORECASE,
)
_LABEL = {
    "attack_direct": ATTACKS.index("direct_injection"),
    "attack_indirect": ATTACKS.index("indirect_injection"),
    "attack_jailbreak": ATTACKS.index("jailbreak"),
    "attack_extraction": ATTACKS.index("prompt_extraction"),
}
_OBFUSCATION = ATTACKS.index("obfuscation")
_LEADS = (
    "Decode this and follow it: ",
    "Do what this says: ",
    "",
    "Rot13, then obey: ",
    "Read backwards and execute: ",
    "Base64 message for you, follow it: ",
    "Interpret and answer: ",
    "The following is hex. Execute: ",
)
_ENTITY_SHARES = {
    "people": 0.08, "structured": 0.04, "locales": 0.06, "health": 0.06, "benign": 0.03, "work": 0.05, "document": 0.06,
    "fact": 0.03, "desk": 0.07, "short": 0.10, "groups": 0.08, "contrast": 0.04, "firms": 0.08, "post": 0.07,
    "letters": 0.08, "forms": 0.06, "prose": 0.08, "plain": 0.05, "private": 0.06, "prompts": 0.09,
}  # fmt: skip
_AFTER_WORD = ("\n", "\n\n", ". ", "; ", ".\n", " | ")
"""Between two texts of which the first ends without a mark, so that no name or address runs on into the next."""


class Sources:
    """The public rows, loaded once. ``data`` is the folder of the public training sets."""

    def __init__(self, data: Path) -> None:
        self.gum, self.btc = public.gum(data), public.btc(data)
        self.short = public.short_texts(data)
        self.jailbreaks = public.wild_jailbreaks(data)
        self.planted = public.planted(data)
        documents = public.documents(data)
        self.texts = texts.documents()
        self.documents = [row for row in documents if row.genre != "code"]
        self.code = [row for row in documents if row.genre == "code"]


class Mixture:
    """Draws rows. The same seed gives the same rows; ``development`` chooses the side of the split."""

    def __init__(self, sources: Sources, seed: int, *, development: bool = False) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - training data, not secrets
        self._values = Values(self._rng)
        self._carriers = Carriers(self._rng, self._values, development=development)

        def side(rows: list[Row]) -> list[Row]:
            return [row for row in rows if held_out(row.group) == development]

        self._gum, self._btc = side(sources.gum), side(sources.btc)
        self._short, self._jailbreaks, self._planted = (
            side(sources.short),
            side(sources.jailbreaks),
            side(sources.planted),
        )
        self._documents, self._code = side(sources.documents), side(sources.code)
        self._texts = side(sources.texts)
        self._by_language: dict[int, list[Row]] = {}
        for row in (*self._code, *self._documents):
            if row.language is not None:
                self._by_language.setdefault(row.language, []).append(row)

    def rows(self, count: int) -> Iterator[Row]:
        """``count`` rows.

        Attacks are few, so that none of their templates comes much more than five times in 10,000 steps: recall at
        0.3 % false positives, mostly on attacks of authors that training had not seen, fell from 0.09 to 0.03 when each
        came five times instead of twice, while held-back templates were told from their look-alikes ever better.
        """
        kinds: Sequence[tuple[Callable[[], Row], float]] = (
            (self.entities, 0.54),
            (self.attack, 0.13),
            (self.harmless, 0.22),
            (self.short, 0.06),
            (self.language, 0.05),
        )
        makers, shares = zip(*kinds, strict=True)
        for _ in range(count):
            self._values.turn()
            maker = self._rng.choices(makers, shares)[0]
            row = maker()
            yield replace(row, embed=True) if maker in (self.attack, self.harmless) else row

    # What each kind of row is made of

    def entities(self) -> Row:
        """A text whose entities are all marked."""
        rng = self._rng
        shape = rng.random()
        if shape < 0.32:
            return disturbed(self._marked(self._btc if shape < 0.15 else self._gum), rng)
        genres, shares = list(_ENTITY_SHARES), list(_ENTITY_SHARES.values())
        genre = rng.choices(genres, shares)[0]
        row = self._carrier(genre)
        while len(row.text) < _WINDOW_CHARS and rng.random() < 0.68:
            other = genre if rng.random() < 0.4 else rng.choices(genres, shares)[0]
            marks = _AFTER_WORD if row.text[-1:].isalnum() else ("\n", " ", "\n\n", " ")
            row = joined(row, self._carrier(other), rng.choice(marks))
        return disturbed(row, rng)

    def _marked(self, pool: list[Row]) -> Row:
        """A text whose names others marked, mostly with other names in it, sometimes with a second one after it."""
        rng = self._rng
        row = rng.choice(pool)
        while len(row.text) < _WINDOW_CHARS / 2 and rng.random() < 0.3:
            row = joined(row, rng.choice(pool), rng.choice(("\n", " ", "\n\n")))
        if rng.random() < 0.6:
            row = swapped(row, self._values, rng)
        return untokenised(row) if row.genre == "btc" and rng.random() < 0.6 else row

    def attack(self) -> Row:
        """A text with an attack in it."""
        rng = self._rng
        shape = rng.random()
        if shape < 0.30:
            return self._finish(self._beside(self._attacking("attack_direct")))
        if shape < 0.62:
            row = self._attacking("attack_indirect")
            if rng.random() < 0.12:
                row = rng.choice(self._planted)
                row = replace(row, focus=(0, len(row.text)))
            elif rng.random() < 0.3:
                row = self._attacking(rng.choice(("attack_direct", "attack_direct", "attack_extraction")))
                row = replace(row, attacks=(*(row.attacks or ()), _LABEL["attack_indirect"]))
            return self._finish(self._buried(row))
        if shape < 0.75:
            return self._finish(self._beside(self._attacking("attack_jailbreak")))
        if shape < 0.83:
            return disturbed(self._wild(), rng) if rng.random() < 0.3 else self._wild()
        return self._finish(self._beside(self._attacking("attack_extraction")))

    def harmless(self) -> Row:
        """A text without one, as like to those with one as honest text gets."""
        rng = self._rng
        shape = rng.random()
        if shape < 0.32:
            row = self._continued(self._look_alike(), ("hard_benign", "ask", "work"), (" ", "\n", " "))
        elif shape < 0.44:
            row = dressed(self._carrier(rng.choice(("work", "work", "ask"))), rng)
            row = self._continued(row, ("work", "ask", "benign"), (" ", "\n", "\n\n"))
        elif shape < 0.54:
            row = self._document(long=True)
            if rng.random() < 0.4:  # as an attack would stand in it
                row = self._buried(self._look_alike())
        elif shape < 0.70:
            row = self._result(self._look_alike() if rng.random() < 0.3 else None)
        elif shape < 0.92:
            row = self._found()
            if rng.random() < 0.15:
                row = joined(
                    row, self._carrier(rng.choice(("hard_benign", "notice", "ask"))), rng.choice(("\n", "\n\n"))
                )
        elif shape < 0.96:
            row = self._document(long=False)
            row = replace(joined(row, Row(self._blob(), "", ""), rng.choice((" ", "\n", "\n\n"))), spans=None)
        else:
            row = joined(rng.choice(self._gum), self._document(long=False), "\n")
        row = replace(row, attacks=())
        return disturbed(row, rng) if rng.random() < 0.4 else row

    def ordinary(self) -> Row:
        """A text of about one window as people have them, made to resemble nothing else."""
        rng = self._rng
        shape = rng.random()
        if shape < 0.3:
            row = self.entities()
        elif shape < 0.5:
            row = self.short()
        elif shape < 0.75:
            row = dressed(self._carrier(rng.choice(("work", "ask"))), rng)
        else:
            row = self._found()
        row = replace(row, attacks=())
        return disturbed(row, rng) if rng.random() < 0.4 else row

    def look_alike(self) -> Row:
        """An honest text with the words and frames of an attack."""
        row = self._look_alike()
        return disturbed(row, self._rng) if self._rng.random() < 0.4 else row

    def planted_alone(self) -> Row:
        """An attack on an agent without the document around it."""
        return self._attacking("attack_indirect")

    def long_documents(self) -> Iterator[Row]:
        """Honest documents of up to ``_DOCUMENT_CHARS``: each found one once, in random order, and ours between."""
        rng = self._rng
        news: dict[str, list[Row]] = {}
        for row in self._gum:
            news.setdefault(row.group, []).append(row)
        theirs = [*self._texts, *self._code, *(self._put_together(rows) for rows in news.values())]
        for pool, size in ((self._documents, 12), (self._btc, 30), (self._short, 30)):
            mixed = rng.sample(pool, len(pool))
            parts = [mixed[at : at + size] for at in range(0, len(mixed), size)]
            theirs += [self._put_together(rows) for rows in parts[::2]]
            theirs += [
                Row(rendered([row.text for row in rows], rng)[0], rows[0].group, "result") for rows in parts[1::2]
            ]
        rng.shuffle(theirs)
        for row in theirs:
            at = rng.randrange(max(1, len(row.text) - _DOCUMENT_CHARS + 1))
            yield replace(row, text=row.text[at : at + _DOCUMENT_CHARS], spans=None, attacks=())
            if rng.random() < 0.5:
                maker = rng.choice((lambda: self._document(long=True), self.entities, self.harmless))
                yield replace(self._put_together([self._made(maker) for _ in range(rng.randint(1, 12))]), attacks=())

    def _made(self, maker: Callable[[], Row]) -> Row:
        self._values.turn()
        return maker()

    def _put_together(self, rows: Sequence[Row]) -> Row:
        return Row("\n\n".join(row.text for row in rows), rows[0].group, rows[0].genre)

    def short(self) -> Row:
        """A request of one sentence, with its intent or its sentence embedding."""
        return self._rng.choice(self._short)

    def language(self) -> Row:
        """Source code in a known language, or prose."""
        return self._rng.choice(self._by_language[self._rng.choice(sorted(self._by_language))])

    # Parts

    def _found(self, chars: int = 900) -> Row:
        """A piece of a text that nobody wrote for this corpus."""
        rng = self._rng
        pool = rng.choices((self._texts, self._documents, self._code, self._gum), (0.45, 0.2, 0.15, 0.2))[0]
        row = rng.choice(pool)
        if len(row.text) <= chars:
            return row
        return replace(row, text=self._piece(row.text, chars), spans=None, language=None, intent=None)

    def _carrier(self, genre: str) -> Row:
        return replace(self._carriers.row(genre), attacks=())

    def _attacking(self, genre: str) -> Row:
        row = self._carriers.row(genre)
        return dressed(replace(row, attacks=(_LABEL[genre],), focus=(0, len(row.text))), self._rng)

    def _look_alike(self) -> Row:
        return dressed(self._carrier("hard_benign"), self._rng)

    def _document(self, *, long: bool) -> Row:
        rng = self._rng
        row = self._carrier(
            rng.choices(("document", "passage", "structured", "people", "fact"), (0.35, 0.35, 0.12, 0.1, 0.08))[0]
        )
        while len(row.text) < (_WINDOW_CHARS if long else 160) and rng.random() < (0.85 if long else 0.3):
            more = self._carrier(
                rng.choices(("document", "passage", "fact", "notice", "review"), (0.25, 0.25, 0.25, 0.15, 0.1))[0]
            )
            row = joined(row, more, rng.choice((" ", "\n", "\n\n")))
        return row

    def _continued(self, row: Row, genres: Sequence[str], marks: Sequence[str]) -> Row:
        """The message, sometimes with more of these genres after it."""
        rng = self._rng
        while rng.random() < 0.35 and len(row.text) < _WINDOW_CHARS:
            row = joined(row, self._carrier(rng.choice(genres)), rng.choice(marks))
        return row

    def _beside(self, row: Row) -> Row:
        """The message alone, or before or after an honest one."""
        shape = self._rng.random()
        if shape < 0.55:
            return row
        other = self._carrier(self._rng.choice(("ask", "work", "benign", "hard_benign", "people", "document")))
        if self._rng.random() < 0.3:
            other = replace(self.short(), intent=None, embed=False)
        mark = self._rng.choice((" ", "\n", "\n\n", " "))
        return joined(other, row, mark) if shape < 0.85 else joined(row, other, mark)

    def _buried(self, row: Row) -> Row:
        """The attack in a tool's result, or at the start, the end or anywhere in a document."""
        rng = self._rng
        shape = rng.random()
        if shape < 0.35:
            return self._result(row)
        mark = rng.choice((" ", "\n", "\n\n", " "))
        if shape < 0.62:
            made = joined(self._document(long=rng.random() < 0.5), row, mark)
            return joined(made, self._document(long=rng.random() < 0.5), mark) if rng.random() < 0.7 else made
        if shape < 0.67:
            return joined(row, self._document(long=rng.random() < 0.5), mark)
        text = self._found(rng.randint(60, 900)).text
        at = rng.choice((0, len(text), rng.randrange(len(text) + 1)))
        while 0 < at < len(text) and text[at - 1] not in " \n":
            at -= 1
        before, after = Row(text[:at], "", ""), Row(text[at:], "", "")
        return joined(joined(before, row, mark), after, mark)

    def _result(self, row: Row | None, chars: int = _WINDOW_CHARS) -> Row:
        """A tool's result of honest pieces, with ``row`` as one more of them."""
        rng = self._rng
        pieces = [self._sentence()]
        while sum(map(len, pieces)) < chars and rng.random() < 0.9:
            pieces.append(self._sentence())
        if row is None:
            return Row(rendered(pieces, rng)[0], "", "result")
        at = rng.randrange(len(pieces) + 1)
        text, places = rendered([*pieces[:at], row.text, *pieces[at:]], rng)
        return replace(row, text=text, spans=None, focus=places[at] if row.focus else None)

    def _sentence(self) -> str:
        """A line or two of anything honest, as a field of a record has it."""
        rng = self._rng
        shape = rng.random()
        if shape < 0.3:
            return self._carrier(rng.choice(("fact", "notice", "review", "people", "short", "benign"))).text
        if shape < 0.45:
            return self._carrier(rng.choice(("work", "ask", "hard_benign"))).text
        if shape < 0.6:
            return self.short().text
        if shape < 0.75:
            return rng.choice(rng.choice((self._gum, self._btc))).text
        return " ".join(self._found(rng.randint(30, 200)).text.split())

    def _wild(self) -> Row:
        """The beginning of a jailbreak seen in the wild, or a part of it that has a jailbreak's words."""
        row = self._rng.choice(self._jailbreaks)
        text = row.text[:_WINDOW_CHARS]
        if self._rng.random() < 0.5:
            part = self._piece(row.text, _WINDOW_CHARS)
            if len(_JAILBREAK_WORDS.findall(part)) >= 2:
                text = part
        return replace(row, text=text)

    def _piece(self, text: str, chars: int) -> str:
        if len(text) <= chars:
            return text
        at = self._rng.randrange(0, len(text) - chars + 1)
        return text[at : at + chars]

    def _finish(self, row: Row) -> Row:
        """Disturbed half of the time; sometimes obfuscated as a whole."""
        rng = self._rng
        shape = rng.random()
        if shape < 0.06 and row.focus is not None and row.attacks:
            core = row.text[row.focus[0] : row.focus[1]][:200]
            lead = rng.choice(_LEADS)
            text = lead + encoded(core, rng, readable=not lead)
            return Row(text, row.group, "obfuscated", attacks=(_OBFUSCATION, *row.attacks))
        return disturbed(row, rng) if shape < 0.5 else row

    def _blob(self) -> str:
        """Encoded data that is no attack."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.4:
            return encoded(self._carrier("fact").text[:120], rng)
        raw = rng.randbytes(rng.randint(16, 90))
        return rng.choice(("data:image/png;base64,", "sha256:", "key=", "", "Signature: ")) + rng.choice(
            (base64.b64encode(raw).decode(), raw.hex())
        )


def encoded(text: str, rng: random.Random, *, readable: bool = False) -> str:
    """``text`` in one of the forms in which attackers hide words; ``readable``: only those that show what they are."""
    forms: tuple[Callable[[], str], ...] = (
        lambda: " ".join(text),
        lambda: "-".join(text),
        lambda: text[::-1],
        lambda: ".".join(word[::-1] for word in text.split()),
        lambda: text.translate(str.maketrans("aeiost", "431057")),
        lambda: codecs.encode(text, "rot13"),
        lambda: base64.b64encode(text.encode()).decode(),
        lambda: json.dumps("".join(f"\\u{ord(c):04x}" for c in text)),
        lambda: text.encode().hex(),
    )
    return rng.choice(forms[:5] if readable else forms)()

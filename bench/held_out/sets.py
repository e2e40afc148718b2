"""The held-out sets as samples: values in carriers, look-alikes, ordinary prompts, disguises, values over two segments.

Everything is made from a seed. The sets were written after the rules and without looking at detectors or their samples;
what is changed in a rule after a figure of them was seen is said in docs/evaluation.md.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.eval_metrics import Label
from bench.eval_sets import LabelledSet, Sample
from bench.held_out import disguises, look_alikes, prompts, second
from bench.held_out.carriers import carry
from bench.held_out.credentials import TYPES as CREDENTIALS
from bench.held_out.identifiers import NATIONAL, OTHER, VAT, Type

TYPES = (*OTHER, *NATIONAL, *VAT, *CREDENTIALS)
SECOND = (*OTHER, *NATIONAL, *VAT, *second.TYPES)
_SECOND_PLACEHOLDERS = {
    "placeholder": lambda rng: rng.choice(second.STAND_INS),
    "digest, id or name": second.look_alike,
}
PROMPTS = 2_000


@dataclass(frozen=True, slots=True)
class Disguised:
    """A value in one way of writing; ``kinds`` says what must be found from ``start`` to ``end``."""

    way: str
    text: str
    start: int
    end: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """``positives`` by label; nothing may be found in ``placeholders``, ``numbers`` and ``prompts``."""

    positives: LabelledSet
    placeholders: dict[str, list[Sample]]
    numbers: dict[str, list[Sample]]
    prompts: list[Sample]
    disguised: list[Disguised]
    strict: frozenset[str]


def build(seed: int, per_type: int, generation: int = 1) -> HeldOut:
    """All sets; ``per_type`` values of each type, disguise and look-alike; ``generation`` of carriers and formats."""
    types = TYPES if generation == 1 else SECOND
    kinds: dict[str, tuple[str, ...]] = {}
    for one in types:
        kinds[one.label] = tuple(dict.fromkeys((*kinds.get(one.label, ()), *one.kinds)))
    positives = _positives(random.Random(f"{seed} positives"), types, per_type, generation)
    placeholders = look_alikes.PLACEHOLDERS if generation == 1 else _SECOND_PLACEHOLDERS
    return HeldOut(
        LabelledSet("held-out", tuple(positives), kinds, {}),
        {name: _negatives(f"{seed} {name}", make, per_type) for name, make in placeholders.items()},
        {name: _negatives(f"{seed} {name}", make, per_type) for name, make in look_alikes.NUMBERS.items()},
        [Sample(text) for text in prompts.prompts(random.Random(f"{seed} prompts"), PROMPTS)],
        list(_disguised(random.Random(f"{seed} disguises"), per_type)),
        frozenset(one.label for one in types if one.strict),
    )


def _positives(rng: random.Random, types: Sequence[Type], per_type: int, generation: int) -> Iterator[Sample]:
    for one in types:
        for _ in range(per_type):
            value, name = one.make(rng), rng.choice(one.names)
            if generation == 1:
                text = carry(rng, one.label, name, value)
            else:
                carriers = second.SECRETS if one.label.startswith("secret") else second.TEXTS
                text = rng.choice(carriers).format(name=name, value=value)
            start = text.index(value)
            yield Sample(text, (Label(one.label, start, start + len(value)),), f"{one.label}: {text[:start][-24:]}")


def _negatives(seed: str, make: look_alikes.Text, count: int) -> list[Sample]:
    rng = random.Random(seed)
    return [Sample(make(rng)) for _ in range(count)]


_AROUND = (
    ("Please check this {name}: ", " and tell me if it is right."),
    ("", "\n\nThat is the {name} from the mail, what now?"),
    ("{name}:\n", "\nThanks!"),
    ("She wrote '", "' as her {name}."),
)


def _disguised(rng: random.Random, per_way: int) -> Iterator[Disguised]:
    by_label = {one.label: one for one in TYPES}
    for way, (write, labels) in disguises.WAYS.items():
        for index in range(max(per_way, len(labels))):
            one = by_label[labels[index % len(labels)]]
            yield _written(rng, way, one, write(rng, one.make(rng)))


def _written(rng: random.Random, way: str, one: Type, written: str) -> Disguised:
    before, after = (part.format(name=one.names[-1]) for part in rng.choice(_AROUND))
    return Disguised(way, f"{before}{written}{after}", len(before), len(before) + len(written), one.kinds)


def segments(rng: random.Random, sample: Sample) -> Sequence[str]:
    """The text of a sample in two, cut inside its labelled value."""
    label = sample.labels[0]
    cut = rng.randint(label.start + 1, label.end - 1)
    return sample.text[:cut], sample.text[cut:]

"""How unlike written words a string is: what tells ``hunter_gatherer_key`` from ``h7Gx2mPq9LtR``.

The model is the mean cost in bits of each sign behind the one before it, by frequencies in English sentences and in the
identifiers of source code. Random letters and digits cost about six bits each, words and identifiers three to four.
The table holds statistics only; ``bench/train_rarity.py`` made it and says from what.
"""

import math
from collections import Counter
from itertools import pairwise

# Signs of the model: "_" is everything but a letter or a digit, and the edge; "0" is any digit.
CLASSES = "_0abcdefghijklmnopqrstuvwxyz"
_INDEX = {c: i for i, c in enumerate(CLASSES)} | dict.fromkeys("123456789", 1)
# Cost of each pair, in half bits, one base-36 digit each; a row for each sign before. TABLE-BEGIN
_TABLE = (
    "e98a89a9bb8fea8a99h987bb9edj"
    "d0ghgcfgmikljjijkhnjhhilmedm"
    "hhja89jfakalc786mam675cbffai"
    "dc6eef5hhl89i5ff6fl9ad7ijh8j"
    "ee5iag6hh6aq88eh5fm9d6ajmkfn"
    "aa7de94eei5ijcfd6fla9cafgfdn"
    "cg9f87aadidki8a6fcd577hcc9ck"
    "eb7hff78gk4nk9gd4fn7b98lijdo"
    "bd9eef3gc77mn9c98em88a9hhmfg"
    "ef4iie3kmm6olghi6fnbf8clincn"
    "ihbc89a9alknf8a47cka76jbnfrc"
    "ed5hff3figcghefd6dhe6h6fhikh"
    "ad9ded2fcf6kfce8bcle7dchfidm"
    "df6gg94cij5jg7hf6doh9a9fiman"
    "cf5age4iil8lhcaf77ogbfbikj6q"
    "dg8h866c6jajddhd8elh75bdkldl"
    "gjdba9f9dkchd985a9n5a97c9gjl"
    "ce6ied5ihb9oh6ff79n6b88jjgcl"
    "dcdgegdiihgkk8gehegcbb1gdjlj"
    "ce7gb94faj6ncdba7fna98bdhlbo"
    "cf9h9g5cf97mddee89ge849helcm"
    "be7hdf5fj56pjddg6cm7abaheiam"
    "jfa9ab7dblaqi786g9p676khoiin"
    "dc4eei2jfj6rlgfh9gkhfghiiggl"
    "cf5hgf7ij45nheh97gm9aglgcjkm"
    "958e8d8ckf8kmeahf6kfc4igjdak"
    "8dcdbe7fegbli98a45lb79ieedeg"
    "cb7ddh2hie8jicei8ikfegehghc9"
)  # TABLE-END
_SIZE = len(CLASSES)
_HALF_BITS = [int(digit, 36) / 2 for digit in _TABLE]


def bits_per_sign(text: str) -> float:
    """Mean cost of a sign of ``text`` behind the sign before it; 0 for no text."""
    if not text:
        return 0.0
    signs = [_INDEX.get(sign, 0) for sign in text.lower()]
    total = _HALF_BITS[signs[0]]
    for before, sign in pairwise(signs):
        total += _HALF_BITS[before * _SIZE + sign]
    return total / len(signs)


def entropy(text: str) -> float:
    """Shannon entropy of the signs of ``text``, in bits per sign."""
    counts = Counter(text).values()
    return sum(-count / len(text) * math.log2(count / len(text)) for count in counts)

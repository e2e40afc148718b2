"""Every rewriter, in no particular order: each reads the text on its own, and then what the others made of it."""

from outpost.dlp.rewrite import Rewriter
from outpost.dlp.rewriters.encodings import BASE64, HEXADECIMAL, WRAPPED_BASE64
from outpost.dlp.rewriters.escapes import ESCAPES
from outpost.dlp.rewriters.joints import BREAKS, JOINTS
from outpost.dlp.rewriters.lookalikes import LOOKALIKE_LETTERS
from outpost.dlp.rewriters.numbers import SPREAD_DIGITS, SPREAD_IBANS
from outpost.dlp.rewriters.spoken import SPELLED_ADDRESSES, SPELLED_DIGITS

REWRITERS: tuple[Rewriter, ...] = (
    ESCAPES,
    JOINTS,
    BREAKS,
    LOOKALIKE_LETTERS,
    BASE64,
    WRAPPED_BASE64,
    HEXADECIMAL,
    SPREAD_DIGITS,
    SPREAD_IBANS,
    SPELLED_DIGITS,
    SPELLED_ADDRESSES,
)

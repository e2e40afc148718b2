"""What a custom pattern costs, told from the pattern itself, so that whoever writes it knows before it is published.

No pattern makes a scan slower than linear. What it can do is hold many states, make every text be searched, or match
nearly everything; time itself depends on the machine and on all patterns together (``make bench-dlp``).
"""

from dataclasses import dataclass
from typing import Final

import re2

from outpost.dlp.custom_pattern import CustomPattern
from outpost.dlp.linear import of_bytes
from outpost.dlp.one_byte import options

MANY_INSTRUCTIONS: Final = 500
"""Ten times the median of the detectors that ship (73) is seldom needed; the largest of them has 3,988."""
FEW_FIXED_CHARS: Final = 3
"""With fewer fixed characters in a row the prefilter has little to go by: two letters are in every text."""
MANY_MATCHES: Final = 3
"""Of the words of ordinary text: each would be a finding."""
_ORDINARY: Final = (
    "The committee will meet again next week, and everybody is asked to read the notes before 10 o'clock on Monday; "
    "please summarise the following paragraph in three sentences (see page 12) and keep the tone friendly."
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a pattern costs.

    Attributes:
        instructions: Size of RE2's program: memory, and the time of the first scans.
        variable_chars: By how much its matches differ in length; it multiplies the states of all patterns together.
        fixed_chars: Every match holds so many fixed characters in a row, by which texts without them are passed over.
        ordinary_matches: How often it matches two ordinary sentences of 33 words.
    """

    instructions: int
    variable_chars: int
    fixed_chars: int
    ordinary_matches: int

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is dear; empty if it is not."""
        found = []
        if self.instructions > MANY_INSTRUCTIONS:
            found.append(f"it needs {self.instructions} instructions")
        if self.ordinary_matches > MANY_MATCHES:
            found.append(f"it matches {self.ordinary_matches} times in two ordinary sentences")
        return tuple(found)

    def __str__(self) -> str:
        fixed = (
            f"every match holds {self.fixed_chars} fixed characters in a row, so most texts are passed over"
            if self.fixed_chars >= FEW_FIXED_CHARS
            else "no fixed text, so texts are searched for it wherever its characters occur"
        )
        return f"{self.instructions} instructions; varies by {self.variable_chars} characters; {fixed}"


def estimate_cost(pattern: CustomPattern) -> Cost:
    """What ``pattern`` costs."""
    instructions = int(re2.compile(pattern.re2.encode("latin-1"), options()).programsize)
    matches = sum(1 for _ in of_bytes(pattern.re2).each(_ORDINARY.encode("ascii")))
    return Cost(instructions, pattern.max_chars - pattern.min_chars, pattern.fixed_chars, matches)

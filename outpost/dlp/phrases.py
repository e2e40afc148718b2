r"""Pieces of patterns in which a word stands before its value, and what a stream needs of them.

Such a pattern is ``word(?:LINK(value))?``: the word alone is a match, which ``validate`` refuses, so that with
``open_ended_chars`` a stream waits for the value. For the same reason no word that decides contains a blank.
"""

# Between a word and its value: ``CVV: 123``, ``cvv2 is 123``, ``"cvv":"123"``, ``born on the 3rd``.
LINK = (
    r"(?:[ \"'#:=()-]{1,4}"
    r"(?:(?:code|number|no|nr|is|was|ist|est|es|\xe8|date|on|am|le|el|il|op|the)\b[ \"'.:=]{1,3}){0,2})"
)
# In front of a pattern whose matches can grow by further words even when they are complete: a group 1 that never takes
# part, so that ``open_ended_chars`` always counts.
GROWS = r"(?:(\b\B))?"


def given(value: str) -> bool:
    """Whether the value is there, and not its word only."""
    return bool(value)

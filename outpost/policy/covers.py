"""Whether one rule's conditions hold wherever another's do, as far as can be told without a text.

Used to find rules that are never reached and to say whether a change loosens. ``False`` means: not provably.
"""

from collections.abc import Collection, Sequence

from outpost.protocol.documents import Conditions, kind_matches


def covers(wider: Conditions, narrower: Conditions) -> bool:
    """True if ``wider`` holds for every exchange for which ``narrower`` holds."""
    return (
        _contains(wider.directions, narrower.directions)
        and _contains(wider.models, narrower.models)
        and _contains(wider.groups, narrower.groups)
        and _contains(wider.surfaces, narrower.surfaces)
        and _finds(wider, narrower)
    )


def _contains(wider: Collection[str] | None, narrower: Collection[str] | None) -> bool:
    return wider is None or (narrower is not None and set(narrower) <= set(wider))


def _finds(wider: Conditions, narrower: Conditions) -> bool:
    if wider.findings is None:
        return True
    if narrower.findings is None or wider.min_score > narrower.min_score:
        return False
    return all(_named(wider.findings, kind) for kind in narrower.findings)


def _named(patterns: Sequence[str], kind: str) -> bool:
    # A pattern is covered by the same pattern, and ``a.b.*`` by ``a.*``.
    return any(kind_matches(pattern, kind) for pattern in patterns)

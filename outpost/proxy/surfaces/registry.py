"""Every surface by its path. A path that is not here is not served, and never tunnelled."""

from collections.abc import Mapping
from typing import Final

from outpost.proxy.surfaces import (
    anthropic_messages,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_files,
    openai_moderations,
    openai_responses,
)
from outpost.proxy.surfaces.dialects import ANTHROPIC, OPENAI
from outpost.proxy.surfaces.surface import Dialect, Surface

SURFACES: Final[Mapping[str, Surface]] = {
    surface.path: surface
    for surface in (
        openai_chat.SURFACE,
        openai_responses.SURFACE,
        openai_completions.SURFACE,
        openai_embeddings.SURFACE,
        openai_moderations.SURFACE,
        openai_files.SURFACE,
        anthropic_messages.MESSAGES,
        anthropic_messages.COUNT_TOKENS,
    )
}


def dialect_of(path: str) -> Dialect:
    """Whose errors a caller of ``path`` can read, whether or not the path is served."""
    is_anthropic = path == anthropic_messages.MESSAGES.path or path.startswith(anthropic_messages.MESSAGES.path + "/")
    return ANTHROPIC if is_anthropic else OPENAI

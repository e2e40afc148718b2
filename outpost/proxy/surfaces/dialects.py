"""OpenAI's and Anthropic's ways: credentials, headers and the envelope of an error, the same on all their surfaces."""

import re
from collections.abc import Mapping
from typing import Final

from outpost.proxy import sse
from outpost.proxy.errors import anthropic_envelope, openai_envelope
from outpost.proxy.forward import bearer
from outpost.proxy.surfaces.surface import Dialect, invalid

# https://docs.anthropic.com/en/api/versioning: the version every request must name.
ANTHROPIC_VERSION: Final = "2023-06-01"
_VERSION: Final = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]")
# Features by name and date: ``interleaved-thinking-2025-05-14``. Words of mixed digits as in a key do not fit.
_BETA: Final = re.compile(r"(?:[a-z]{1,24}|[0-9]{1,4}[a-z]?)(?:-(?:[a-z]{1,24}|[0-9]{1,4}[a-z]?)){1,9}")
MAX_BETAS: Final = 16


def _openai_error_event(code: str, message: str, status: int) -> bytes:
    return sse.encode(openai_envelope(code, message, status))


def _anthropic_error_event(code: str, message: str, status: int) -> bytes:
    return sse.encode(anthropic_envelope(code, message, status), b"error")


def _x_api_key(key: str) -> Mapping[str, str]:
    return {"x-api-key": key}


def _anthropic_headers(received: Mapping[str, str]) -> Mapping[str, str]:
    """``anthropic-version`` and ``anthropic-beta``, if they are what they should be.

    Raises:
        Rejected: ``invalid_request``: one of them is not.
    """
    version = received.get("anthropic-version", ANTHROPIC_VERSION)
    if not _VERSION.fullmatch(version):
        raise invalid("the header 'anthropic-version' must be a date")
    headers = {"anthropic-version": version}
    if beta := received.get("anthropic-beta"):
        names = [name.strip() for name in beta.split(",")]
        if len(names) > MAX_BETAS or not all(_BETA.fullmatch(name) for name in names):
            raise invalid("the header 'anthropic-beta' must name features: words, numbers and a date, with hyphens")
        headers["anthropic-beta"] = ",".join(names)
    return headers


OPENAI: Final = Dialect(
    name="openai",
    envelope=openai_envelope,
    error_event=_openai_error_event,
    credentials=bearer,
    answer_headers=("openai-processing-ms", "openai-version", "openai-model"),
)
ANTHROPIC: Final = Dialect(
    name="anthropic",
    envelope=anthropic_envelope,
    error_event=_anthropic_error_event,
    credentials=_x_api_key,
    request_headers=_anthropic_headers,
    id_header="request-id",
)

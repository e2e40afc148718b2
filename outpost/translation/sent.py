"""What a translated stream is made of: one event's data and, in an API that names its events, its name."""

from dataclasses import dataclass
from typing import Final, Protocol

DONE: Final = b"[DONE]"
"""The data of the last event of a stream of chat completions."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One event for the client."""

    data: bytes
    name: bytes | None = None


class StreamTranslator(Protocol):
    """State of one streamed answer on its way to a client of another API."""

    def feed(self, data: bytes) -> list[Sent]:
        """What becomes of one event of the provider's, of which this is the data.

        Raises:
            Rejected: ``provider_invalid_response``: it is no event of the provider's API at this place, or cannot be
                translated (``Untranslatable``); ``provider_error``: the provider says that it failed.
        """

    def end(self) -> list[Sent]:
        """What is still to be sent when the provider has ended its stream.

        Raises:
            Rejected: ``provider_invalid_response``: the answer had not ended.
        """

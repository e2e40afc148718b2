"""Many questions of the same kind at once become one question to the database.

Guarantee: an answer comes from a question that began after it was asked, so nothing is ever older than with a query
of one's own; a revocation that has been committed is seen by the next request. While a question is out, whoever asks
waits for the next one, so the more there is to do the more is done by each.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_AT_MOST = 500  # keys in one question; SQLite takes 32,766 parameters, and a thread should not be held for long


class Batcher(Generic[K, V]):
    """Asks ``ask``, in a thread, for whatever has come together; its answer has something under every key."""

    def __init__(self, ask: Callable[[list[K]], Mapping[K, V]]) -> None:
        self._ask = ask
        self._asked: dict[K, list[asyncio.Future[V]]] = {}
        self._working: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        """What the answer has under ``key``.

        Raises whatever the question raised: everybody who waited for it is told.
        """
        answer: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(key, []).append(answer)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._asked:
            keys = list(self._asked)[:_AT_MOST]
            askers = {key: self._asked.pop(key) for key in keys}
            asking = asyncio.ensure_future(asyncio.to_thread(self._ask, keys))
            await asyncio.wait([asking])
            error = asking.exception()
            for key, waiting in askers.items():
                for answer in waiting:
                    if answer.done():  # its asker has gone
                        continue
                    if error is None:
                        answer.set_result(asking.result()[key])
                    else:
                        answer.set_exception(error)

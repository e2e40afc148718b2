"""Puts the growing texts of one answer to the models: all that is due at once, and the next event is read after that.

So a provider is read no faster than the models answer, and what waits is bounded by the inspector. An answer that does
not come ends the stream: nothing that models did not see is released.
"""

import asyncio

from outpost.errors import ModelUnavailable
from outpost.proxy.decide import Question
from outpost.proxy.inspection import Following, Look, unavailable
from outpost.proxy.watched import Addition, Watch, Watched


class Watcher:
    """Of one stream. Close it."""

    def __init__(self, look: Look) -> None:
        self._look = look
        enforcement = look.enforcement
        self.watch = Watch(enforcement.engine, enforcement.models.counting, whole=look.waits)
        """For the inspector of the stream."""
        self._following: dict[Watched, Following] = {}

    async def answer(self) -> bool:
        """Ask what is due; whether anything was.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: the models say nothing about one of the texts.
        """
        due = list(self.watch.due())
        if not due:
            return False
        growing = [(text, addition) for text, addition in due if not text.whole]
        tasks = [asyncio.ensure_future(self._grow(text, addition)) for text, addition in growing]
        try:
            await asyncio.gather(*tasks)
        except ModelUnavailable as err:
            raise unavailable() from err
        finally:
            for task in tasks:
                task.cancel()
        # Later, because they often say again what has grown: then it is remembered.
        wholes = [(text, addition.text) for text, addition in due if text.whole]
        questions = {said: Question(said, text.patterns()) for text, said in wholes}
        answers = dict(zip(questions, await self._look.answer([*questions.values()]), strict=True))
        for text, said in wholes:
            text.answered_whole(answers[said])
        self._forget()
        return True

    def close(self) -> None:
        """Nothing more comes."""
        for following in self._following.values():
            following.close()
        self._following.clear()

    async def _grow(self, text: Watched, addition: Addition) -> None:
        if text not in self._following:
            self._following[text] = self._look.follow()
        text.answered(await self._following[text].add(addition.text, addition.weak, last=addition.last))
        if addition.last:
            self._following.pop(text).close()

    def _forget(self) -> None:
        for text in [text for text in self._following if text not in self.watch.texts]:
            self._following.pop(text).close()


def watcher_for(look: Look | None) -> Watcher | None:
    """Of another stream, if anybody is to be asked."""
    return None if look is None else Watcher(look)

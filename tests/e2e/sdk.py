"""OpenAI's own SDK, unmodified, sync or async behind one set of coroutines, pointed at one target."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client points: the base URL with ``/v1``, and the key it uses there."""

    name: Literal["direct", "outpost"]
    base_url: str
    api_key: str


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What ``with_raw_response`` shows: status, headers, exact bytes, and the parsed object."""

    status: int
    headers: dict[str, str]
    content: bytes
    parsed: ChatCompletion


@dataclass(frozen=True, slots=True)
class Sdk:
    """One flavour of the SDK at one target. Retries are off, so that one call is one request."""

    target: Target
    flavour: Literal["sync", "async"]
    api_key: str | None = None

    async def create(self, **body: Any) -> ChatCompletion:
        if self.flavour == "sync":
            return await self._threaded(lambda client: client.chat.completions.create(**body))
        async with self._async() as client:
            return await client.chat.completions.create(**body)

    async def stream(self, **body: Any) -> list[ChatCompletionChunk]:
        if self.flavour == "sync":
            return await self._threaded(lambda client: list(client.chat.completions.create(**body, stream=True)))
        async with self._async() as client:
            return [chunk async for chunk in await client.chat.completions.create(**body, stream=True)]

    async def streamed_completion(self, **body: Any) -> ChatCompletion:
        """The SDK's own accumulation of a stream, as its ``stream()`` helper does it."""
        if self.flavour == "sync":

            def run(client: OpenAI) -> ChatCompletion:
                with client.chat.completions.stream(**body) as stream:
                    return stream.get_final_completion()

            return await self._threaded(run)
        async with self._async() as client, client.chat.completions.stream(**body) as stream:
            return await stream.get_final_completion()

    async def raw(self, **body: Any) -> RawAnswer:
        if self.flavour == "sync":
            answer = await self._threaded(lambda client: client.chat.completions.with_raw_response.create(**body))
        else:
            async with self._async() as client:
                answer = await client.chat.completions.with_raw_response.create(**body)
        return RawAnswer(answer.status_code, dict(answer.headers), answer.content, answer.parse())

    async def models(self) -> list[str]:
        if self.flavour == "sync":
            return await self._threaded(lambda client: [model.id for model in client.models.list()])
        async with self._async() as client:
            return [model.id async for model in client.models.list()]

    async def model(self, name: str) -> dict[str, Any]:
        if self.flavour == "sync":
            return (await self._threaded(lambda client: client.models.retrieve(name))).model_dump()
        async with self._async() as client:
            return (await client.models.retrieve(name)).model_dump()

    async def _threaded(self, call: Callable[[OpenAI], Any]) -> Any:
        def run() -> Any:
            with OpenAI(
                base_url=self.target.base_url,
                api_key=self.api_key or self.target.api_key,
                max_retries=0,
                timeout=TIMEOUT_S,
            ) as client:
                return call(client)

        return await asyncio.to_thread(run)

    def _async(self) -> AsyncOpenAI:
        return AsyncOpenAI(
            base_url=self.target.base_url,
            api_key=self.api_key or self.target.api_key,
            max_retries=0,
            timeout=TIMEOUT_S,
        )


def assembled(chunks: list[ChatCompletionChunk]) -> dict[str, Any]:
    """What a stream says in the end, however its deltas are cut."""
    made: dict[str, Any] = {"ids": {chunk.id for chunk in chunks}, "models": {chunk.model for chunk in chunks}}
    made["usage"] = next((chunk.usage.model_dump() for chunk in chunks if chunk.usage is not None), None)
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        said = made.setdefault(choice.index, {"role": None, "content": None, "finish": [], "tools": {}})
        said["role"] = said["role"] or choice.delta.role
        if choice.delta.content is not None:
            said["content"] = (said["content"] or "") + choice.delta.content
        if choice.finish_reason is not None:
            said["finish"].append(choice.finish_reason)
        for call in choice.delta.tool_calls or []:
            tool = said["tools"].setdefault(call.index, {"id": None, "name": None, "arguments": ""})
            tool["id"] = tool["id"] or call.id
            if call.function is not None:
                tool["name"] = tool["name"] or call.function.name
                tool["arguments"] += call.function.arguments or ""
    return made

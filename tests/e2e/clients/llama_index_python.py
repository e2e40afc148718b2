"""LlamaIndex with OpenAI's API."""

from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI
from pydantic import BaseModel

from tests.e2e.clients.asking import (
    CARD,
    IMAGE,
    PATIENCE_S,
    SAY,
    SAY_JSON,
    SLOW,
    UNKNOWN,
    USE_THE_TOOL,
    Cases,
    Target,
    first_of,
    outcome,
    raised,
    report,
)


class City(BaseModel):
    """A city."""

    city: str


def weather(city: str) -> str:
    """The weather of a city."""
    return city


def cases(at: Target) -> Cases:
    # It looks the model up in its own list; what the stand-in is to be asked for goes beside it.
    def model(name="gpt-4o", **more):
        beside = {"model": name}
        return OpenAI(model="gpt-4o", api_base=at.v1, api_key=at.key, max_retries=0, additional_kwargs=beside, **more)

    gpt = model()
    embedder = OpenAIEmbedding(api_base=at.v1, api_key=at.key, max_retries=0)

    def said(*blocks):
        return [ChatMessage(role="user", blocks=list(blocks))]

    def called():
        answer = gpt.chat_with_tools([FunctionTool.from_defaults(weather)], user_msg=USE_THE_TOOL)
        return gpt.get_tool_calls_from_response(answer)[0].tool_kwargs

    def structured():
        return gpt.as_structured_llm(City).chat(said(TextBlock(text=SAY_JSON))).raw.city

    def image():
        picture = ImageBlock(url=IMAGE, image_mimetype="image/png")
        return gpt.chat(said(TextBlock(text="What is it?"), picture)).message.content

    return {
        "plain": lambda: gpt.chat(said(TextBlock(text=SAY))).message.content,
        "stream": lambda: [part.delta for part in gpt.stream_chat(said(TextBlock(text=SAY)))],
        "tools": called,
        "structured output": structured,
        "image": image,
        "embeddings": lambda: embedder.get_text_embedding("a"),
        "error": lambda: raised(lambda: model(UNKNOWN).complete("x")),
        "timeout": lambda: raised(lambda: model(SLOW, timeout=PATIENCE_S).complete("x")),
        "break off": lambda: first_of(gpt.stream_complete(SAY)).delta,
        "refusal": lambda: outcome(lambda: gpt.complete(CARD)),
    }


report("llama-index-llms-openai", cases)

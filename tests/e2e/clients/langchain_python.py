"""LangChain's chat models and embeddings, for OpenAI and Anthropic."""

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from tests.e2e.clients.asking import (
    CARD,
    IMAGE,
    PATIENCE_S,
    SAY,
    SAY_JSON,
    SCHEMA,
    SLOW,
    TOOL,
    UNKNOWN,
    USE_THE_TOOL,
    Cases,
    Target,
    first_of,
    outcome,
    raised,
    report,
)

FUNCTION = {"name": TOOL["name"], "description": "weather", "parameters": TOOL["input_schema"]}
CITY = {"title": "city", "description": "a city", **SCHEMA}


def cases(at: Target) -> Cases:
    def gpt(name="standin-chat", **more):
        return ChatOpenAI(model=name, base_url=at.v1, api_key=at.key, max_retries=0, **more)

    def claude(name="standin", **more):
        return ChatAnthropic(model=name, base_url=at.root, api_key=at.key, max_retries=0, max_tokens=99, **more)

    both = (gpt(), claude())
    embedder = OpenAIEmbeddings(
        model="m", base_url=at.v1, api_key=at.key, max_retries=0, check_embedding_ctx_length=False
    )

    def structured():
        return [
            gpt().with_structured_output(CITY, method="json_schema").invoke(SAY_JSON),
            claude().with_structured_output(CITY).invoke(USE_THE_TOOL),
        ]

    def image(one):
        parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
        return one.invoke([{"role": "user", "content": parts}]).content

    return {
        "plain": lambda: [one.invoke(SAY).content for one in both],
        "stream": lambda: ["".join(part.text for part in one.stream(SAY)) for one in both],
        "tools": lambda: [one.bind_tools([FUNCTION]).invoke(USE_THE_TOOL).tool_calls[0]["args"] for one in both],
        "structured output": structured,
        "image": lambda: [image(one) for one in both],
        "embeddings": lambda: embedder.embed_documents(["a"]),
        "error": lambda: raised(lambda: gpt(UNKNOWN).invoke("x")),
        "timeout": lambda: [
            raised(lambda made=made: made(SLOW, timeout=PATIENCE_S).invoke("x")) for made in (gpt, claude)
        ],
        "break off": lambda: [first_of(one.stream(SAY)).content for one in both],
        "refusal": lambda: outcome(lambda: gpt().invoke(CARD)),
    }


report("langchain-openai", cases)

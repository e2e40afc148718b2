"""LangChain's chat models and embeddings, for OpenAI and Anthropic."""

import langchain_openai
import openai
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from tests.e2e.clients.asking import IMAGE, KEY, ROOT, SAY, SCHEMA, TOOL, USE_THE_TOOL, V1, report

model = ChatOpenAI(model="standin-chat", base_url=V1, api_key=KEY, max_retries=0)
claude = ChatAnthropic(model="standin", base_url=ROOT, api_key=KEY, max_retries=0, max_tokens=99)
embedder = OpenAIEmbeddings(model="m", base_url=V1, api_key=KEY, max_retries=0, check_embedding_ctx_length=False)
function = {"name": TOOL["name"], "description": "weather", "parameters": TOOL["input_schema"]}


def structured():
    shaped = model.with_structured_output({"title": "city", "description": "a city", **SCHEMA}, method="json_schema")
    return shaped.invoke('SAY:{"city": "Ulm"}')


def image():
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    return model.invoke([{"role": "user", "content": parts}]).content


def error():
    try:
        ChatOpenAI(model="standin-404", base_url=V1, api_key=KEY, max_retries=0).invoke("x")
    except openai.NotFoundError:
        return "NotFoundError"


report(
    langchain_openai,
    {
        "plain": lambda: [model.invoke(SAY).content, claude.invoke(SAY).content],
        "stream": lambda: ["".join(part.text for part in one.stream(SAY)) for one in (model, claude)],
        "tools": lambda: [
            one.bind_tools([function]).invoke(USE_THE_TOOL).tool_calls[0]["args"] for one in (model, claude)
        ],
        "structured output": structured,
        "image": image,
        "embeddings": lambda: embedder.embed_documents(["a"]),
        "error": error,
        "break off": lambda: next(iter(model.stream(SAY))).content,
    },
    package="langchain-openai",
)

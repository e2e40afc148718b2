"""LlamaIndex with OpenAI's API."""

import openai
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms import openai as llama_openai

from tests.e2e.clients.asking import KEY, SAY, V1, report

# It looks the model up in its own list; the stand-in answers any.
model = llama_openai.OpenAI(model="gpt-4o", api_base=V1, api_key=KEY, max_retries=0)
embedder = OpenAIEmbedding(api_base=V1, api_key=KEY, max_retries=0)


def error():
    try:
        llama_openai.OpenAI(model="gpt-4o", api_base=V1 + "/nowhere", api_key=KEY, max_retries=0).complete("x")
    except openai.NotFoundError:
        return "NotFoundError"


report(
    llama_openai,
    {
        "plain": lambda: model.chat([ChatMessage(role="user", content=SAY)]).message.content,
        "stream": lambda: [part.delta for part in model.stream_chat([ChatMessage(role="user", content=SAY)])],
        "embeddings": lambda: embedder.get_text_embedding("a"),
        "error": error,
        "break off": lambda: next(iter(model.stream_complete(SAY))).delta,
    },
    package="llama-index-llms-openai",
)

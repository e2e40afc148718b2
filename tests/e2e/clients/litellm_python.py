"""LiteLLM as a client, for OpenAI and Anthropic."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the network for prices at import

import litellm

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
    outcome,
    raised,
    report,
)

FUNCTION = {"name": TOOL["name"], "parameters": TOOL["input_schema"]}


def cases(at: Target) -> Cases:
    at_openai = {"model": "openai/standin-chat", "api_base": at.v1, "api_key": at.key, "num_retries": 0}
    at_anthropic = {**at_openai, "model": "anthropic/standin", "api_base": at.root, "max_tokens": 99}
    both = (at_openai, at_anthropic)

    def ask(content, to=at_openai, **more):
        return litellm.completion(messages=[{"role": "user", "content": content}], **{**to, **more})

    def said(content, to=at_openai, **more):
        return ask(content, to, **more).choices[0].message.content

    def streamed(to):
        return "".join(chunk.choices[0].delta.content or "" for chunk in ask(SAY, to, stream=True))

    def called(to):
        answer = ask(USE_THE_TOOL, to, tools=[{"type": "function", "function": FUNCTION}])
        return answer.choices[0].message.tool_calls[0].function.arguments

    def image(to):
        parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
        return said(parts, to)

    def embedded():
        return litellm.embedding(input=["a"], **{**at_openai, "model": "openai/m"}).data[0]["embedding"]

    def cancel():
        stream = ask(SAY, stream=True)
        first = next(iter(stream)).choices[0].delta.role
        stream.completion_stream.close()  # left to the garbage collector, httpcore may wait for its own lock
        return first

    def slow(vendor, to):
        return raised(lambda: ask("x", to, model=f"{vendor}/{SLOW}", timeout=PATIENCE_S))

    wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    return {
        "plain": lambda: [said(SAY, to) for to in both],
        "stream": lambda: [streamed(to) for to in both],
        "tools": lambda: [called(to) for to in both],
        "structured output": lambda: said(SAY_JSON, response_format=wanted),
        "image": lambda: [image(to) for to in both],
        "embeddings": embedded,
        "error": lambda: raised(lambda: ask("x", model=f"openai/{UNKNOWN}")),
        "timeout": lambda: [slow("openai", at_openai), slow("anthropic", at_anthropic)],
        "break off": cancel,
        "refusal": lambda: outcome(lambda: ask(CARD)),
    }


report("litellm", cases)

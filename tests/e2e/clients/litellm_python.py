"""LiteLLM as a client, for OpenAI and Anthropic."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the network for prices at import

import litellm

from tests.e2e.clients.asking import IMAGE, KEY, ROOT, SAY, SCHEMA, TOOL, USE_THE_TOOL, V1, report

AT_OPENAI = {"model": "openai/standin-chat", "api_base": V1, "api_key": KEY, "num_retries": 0}
AT_ANTHROPIC = {"model": "anthropic/standin", "api_base": ROOT, "api_key": KEY, "num_retries": 0, "max_tokens": 99}
function = {"name": TOOL["name"], "parameters": TOOL["input_schema"]}


def ask(content, at=AT_OPENAI, **more):
    return litellm.completion(messages=[{"role": "user", "content": content}], **at, **more)


def streamed(at):
    return "".join(chunk.choices[0].delta.content or "" for chunk in ask(SAY, at, stream=True))


def called(at):
    answer = ask(USE_THE_TOOL, at, tools=[{"type": "function", "function": function}])
    return answer.choices[0].message.tool_calls[0].function.arguments


def image():
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    return ask(parts).choices[0].message.content


def structured():
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    return ask('SAY:{"city": "Ulm"}', response_format=wanted).choices[0].message.content


def error():
    try:
        ask("x", AT_OPENAI | {"model": "openai/standin-404"})
    except litellm.NotFoundError:
        return "NotFoundError"


report(
    litellm,
    {
        "plain": lambda: [ask(SAY, at).choices[0].message.content for at in (AT_OPENAI, AT_ANTHROPIC)],
        "stream": lambda: [streamed(at) for at in (AT_OPENAI, AT_ANTHROPIC)],
        "tools": lambda: [called(at) for at in (AT_OPENAI, AT_ANTHROPIC)],
        "structured output": structured,
        "image": image,
        "embeddings": lambda: litellm.embedding(input=["a"], **AT_OPENAI | {"model": "openai/m"}).data[0]["embedding"],
        "error": error,
        "break off": lambda: next(iter(ask(SAY, stream=True))).choices[0].delta.role,
    },
    package="litellm",
)

"""OpenAI's SDK for Python."""

import openai
from openai import OpenAI

from tests.e2e.clients.asking import IMAGE, KEY, SAY, SCHEMA, TOOL, USE_THE_TOOL, V1, report

client = OpenAI(base_url=V1, api_key=KEY, max_retries=0)


def ask(content, **more):
    messages = [{"role": "user", "content": content}]
    return client.chat.completions.create(model="standin-chat", messages=messages, **more)


def tools():
    function = {"name": TOOL["name"], "parameters": TOOL["input_schema"]}
    call = ask(USE_THE_TOOL, tools=[{"type": "function", "function": function}]).choices[0].message.tool_calls[0]
    return call.function.model_dump()


def structured():
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    return ask('SAY:{"city": "Ulm"}', response_format=wanted).choices[0].message.content


def image():
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    return ask(parts).choices[0].message.content


def error():
    try:
        client.chat.completions.create(model="standin-404", messages=[{"role": "user", "content": "x"}])
    except openai.NotFoundError:
        return "NotFoundError"


def cancel():
    with ask(SAY, stream=True) as stream:
        return next(iter(stream)).choices[0].delta.role


report(
    openai,
    {
        "plain": lambda: ask(SAY).choices[0].message.content,
        "stream": lambda: [chunk.choices[0].delta.content for chunk in ask(SAY, stream=True)],
        "tools": tools,
        "structured output": structured,
        "image": image,
        "embeddings": lambda: client.embeddings.create(model="m", input=["a"]).data[0].embedding,
        "responses": lambda: client.responses.create(model="m", input=SAY).output_text,
        "error": error,
        "break off": cancel,
    },
)

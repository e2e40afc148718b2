"""Anthropic's SDK for Python."""

import anthropic
from anthropic import Anthropic

from tests.e2e.clients.asking import IMAGE, KEY, ROOT, SAY, TOOL, USE_THE_TOOL, report

client = Anthropic(base_url=ROOT, api_key=KEY, max_retries=0)


def asked(content, **more):
    return {"model": "standin", "max_tokens": 99, "messages": [{"role": "user", "content": content}], **more}


def streamed():
    with client.messages.stream(**asked(SAY)) as stream:
        return list(stream.text_stream)


def image():
    data = {"type": "base64", "media_type": "image/png", "data": IMAGE.partition(",")[2]}
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": data}]
    return client.messages.create(**asked(parts)).content[0].text


def error():
    try:
        client.messages.create(**asked("x", messages=[]))
    except anthropic.BadRequestError:
        return "BadRequestError"


def cancel():
    with client.messages.stream(**asked(SAY)) as stream:
        return next(iter(stream)).type


report(
    anthropic,
    {
        "plain": lambda: client.messages.create(**asked(SAY)).content[0].text,
        "stream": streamed,
        "tools": lambda: client.messages.create(**asked(USE_THE_TOOL, tools=[TOOL])).content[1].input,
        "image": image,
        "error": error,
        "break off": cancel,
    },
)

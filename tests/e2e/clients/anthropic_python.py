"""Anthropic's SDK for Python."""

from anthropic import Anthropic

from tests.e2e.clients.asking import (
    CARD,
    IMAGE,
    PATIENCE_S,
    SAY,
    SAY_JSON,
    SCHEMA,
    SLOW,
    TOOL,
    USE_THE_TOOL,
    Cases,
    Target,
    outcome,
    raised,
    report,
)


def cases(at: Target) -> Cases:
    client = Anthropic(base_url=at.root, api_key=at.key, max_retries=0)

    def asked(content, **more):
        return {"model": "standin", "max_tokens": 99, "messages": [{"role": "user", "content": content}], **more}

    def ask(content, **more):
        return client.messages.create(**asked(content, **more)).content

    def streamed():
        with client.messages.stream(**asked(SAY)) as stream:
            return list(stream.text_stream)

    def image():
        data = {"type": "base64", "media_type": "image/png", "data": IMAGE.partition(",")[2]}
        parts = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": data}]
        return ask(parts)[0].text

    def cancel():
        with client.messages.stream(**asked(SAY)) as stream:
            return next(iter(stream)).type

    def slow():
        client.with_options(timeout=PATIENCE_S).messages.create(**asked("x", model=SLOW))

    return {
        "plain": lambda: ask(SAY)[0].text,
        "stream": streamed,
        "tools": lambda: ask(USE_THE_TOOL, tools=[TOOL])[1].input,
        "structured output": lambda: (
            ask(SAY_JSON, output_config={"format": {"type": "json_schema", "schema": SCHEMA}})[0].text
        ),
        "image": image,
        "error": lambda: raised(lambda: ask("x", messages=[])),
        "timeout": lambda: raised(slow),
        "break off": cancel,
        "refusal": lambda: outcome(lambda: ask(CARD)),
    }


report("anthropic", cases)

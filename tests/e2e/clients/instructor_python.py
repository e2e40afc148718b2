"""instructor: typed answers through forced tool calls and schemas, for OpenAI and Anthropic."""

import instructor
from anthropic import Anthropic
from openai import OpenAI
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
    outcome,
    raised,
    report,
)


class City(BaseModel):
    """A city."""

    city: str


def cases(at: Target) -> Cases:
    openai = OpenAI(base_url=at.v1, api_key=at.key, max_retries=0)
    tools = instructor.from_openai(openai)
    schema = instructor.from_openai(openai, mode=instructor.Mode.JSON_SCHEMA)
    impatient = instructor.from_openai(openai.with_options(timeout=PATIENCE_S))
    claude = instructor.from_anthropic(Anthropic(base_url=at.root, api_key=at.key, max_retries=0))

    def asked(content, model="standin-chat"):
        return {"model": model, "messages": [{"role": "user", "content": content}], "max_retries": 0}

    def ask(content, model="standin-chat", of=tools):
        return of.chat.completions.create(response_model=City, **asked(content, model)).city

    def of_anthropic():
        return claude.messages.create(response_model=City, max_tokens=99, **asked(USE_THE_TOOL)).city

    def partly():
        return tools.chat.completions.create_partial(response_model=City, **asked(USE_THE_TOOL))

    def cancel():
        with tools.chat.completions.create(response_model=None, stream=True, **asked(SAY)) as stream:
            return next(iter(stream)).choices[0].delta.role

    return {
        "plain": lambda: tools.chat.completions.create(response_model=None, **asked(SAY)).choices[0].message.content,
        "stream": lambda: [part.city for part in partly()],
        "tools": lambda: [ask(USE_THE_TOOL), of_anthropic()],
        "structured output": lambda: ask(SAY_JSON, of=schema),
        "image": lambda: ask([USE_THE_TOOL, instructor.Image.from_base64(IMAGE)]),
        "error": lambda: raised(lambda: ask("x", UNKNOWN)),
        "timeout": lambda: raised(lambda: ask("x", SLOW, impatient)),
        "break off": cancel,
        "refusal": lambda: outcome(lambda: ask(f'{USE_THE_TOOL[:-1]}, "and": "{CARD}"}}')),
    }


report("instructor", cases)

"""instructor: typed answers through forced tool calls, for OpenAI and Anthropic."""

import instructor
from anthropic import Anthropic
from openai import OpenAI
from pydantic import BaseModel

from tests.e2e.clients.asking import KEY, ROOT, USE_THE_TOOL, V1, report


class City(BaseModel):
    """A city."""

    city: str


def of_openai():
    client = instructor.from_openai(OpenAI(base_url=V1, api_key=KEY, max_retries=0))
    messages = [{"role": "user", "content": USE_THE_TOOL}]
    return client.chat.completions.create(model="standin-chat", messages=messages, response_model=City, max_retries=0)


def of_anthropic():
    client = instructor.from_anthropic(Anthropic(base_url=ROOT, api_key=KEY, max_retries=0))
    messages = [{"role": "user", "content": USE_THE_TOOL}]
    return client.messages.create(model="standin", messages=messages, response_model=City, max_retries=0, max_tokens=99)


report(instructor, {"structured output": lambda: [of_openai().city, of_anthropic().city]}, package="instructor")

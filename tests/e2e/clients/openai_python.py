"""OpenAI's SDK for Python."""

from openai import OpenAI

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


def cases(at: Target) -> Cases:
    client = OpenAI(base_url=at.v1, api_key=at.key, max_retries=0)

    def ask(content, model="standin-chat", of=client, **more):
        return of.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **more)

    def said(content, **more):
        return ask(content, **more).choices[0].message.content

    def tools():
        function = {"name": TOOL["name"], "parameters": TOOL["input_schema"]}
        call = ask(USE_THE_TOOL, tools=[{"type": "function", "function": function}]).choices[0].message.tool_calls[0]
        return call.function.model_dump()

    def structured():
        wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
        return said(SAY_JSON, response_format=wanted)

    def image():
        parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
        return said(parts)

    def cancel():
        with ask(SAY, stream=True) as stream:
            return next(iter(stream)).choices[0].delta.role

    return {
        "plain": lambda: said(SAY),
        "stream": lambda: [chunk.choices[0].delta.content for chunk in ask(SAY, stream=True)],
        "tools": tools,
        "structured output": structured,
        "image": image,
        "embeddings": lambda: client.embeddings.create(model="m", input=["a"]).data[0].embedding,
        "responses": lambda: client.responses.create(model="m", input=SAY).output_text,
        "error": lambda: raised(lambda: ask("x", UNKNOWN)),
        "timeout": lambda: raised(lambda: ask("x", SLOW, client.with_options(timeout=PATIENCE_S))),
        "break off": cancel,
        "refusal": lambda: outcome(lambda: ask(CARD)),
    }


report("openai", cases)

"""Why an answer ended and how many tokens it took, in the words of either API.

Anthropic counts the tokens of a prompt in three parts (read from a cache, written to it, the rest), chat completions
in one, of which the cached ones are a part.
Source: Anthropic API reference, /v1/messages (stop_reason, usage); OpenAI API reference (finish_reason, usage).
"""

from typing import Any, Final

from outpost.translation.reading import Members

FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def finish_reason(answer: Members) -> str:
    """Why a message ended, for chat completions.

    Raises:
        Untranslatable: It did not end: a tool of the provider's own is still at work.
    """
    return FINISH_REASONS[answer.word("stop_reason", FINISH_REASONS)]


def stop_reason(choice: Members, *, called: bool, refused: bool) -> str:
    """Why a completion ended, for Anthropic's API; ``called``: it calls a tool; ``refused``: in so many words.

    Raises:
        Untranslatable: It ended for a reason that Anthropic's API does not have.
    """
    reason = STOP_REASONS[choice.word("finish_reason", STOP_REASONS)]
    if reason == "end_turn" and (called or refused):
        return "tool_use" if called else "refusal"  # a forced call ends with "stop" in chat completions
    return reason


def chat_usage(usage: Members) -> dict[str, Any]:
    """Anthropic's counts as those of chat completions.

    Raises:
        Untranslatable: A count is no whole number.
    """
    read, written = usage.whole("cache_read_input_tokens") or 0, usage.whole("cache_creation_input_tokens") or 0
    prompt = (usage.whole("input_tokens") or 0) + read + written
    completion = usage.whole("output_tokens") or 0
    out: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
    }
    details = usage.object("output_tokens_details")
    thoughts = details.whole("thinking_tokens") if details else None
    return out if thoughts is None else out | {"completion_tokens_details": {"reasoning_tokens": thoughts}}


def anthropic_usage(usage: Members | None) -> dict[str, Any]:
    """The counts of chat completions as Anthropic's; zeros if the provider does not count.

    Raises:
        Untranslatable: A count is no whole number, or more was cached than sent.
    """
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    details = usage.object("prompt_tokens_details")
    read, written = ((details.whole(name) or 0 if details else 0) for name in ("cached_tokens", "cache_write_tokens"))
    prompt = usage.whole("prompt_tokens") or 0
    if read + written > prompt:
        usage.refuse("prompt_tokens_details", "counts more than 'prompt_tokens'")
    out: dict[str, Any] = {
        "input_tokens": prompt - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.whole("completion_tokens") or 0,
    }
    details = usage.object("completion_tokens_details")
    thoughts = details.whole("reasoning_tokens") if details else None
    return out if thoughts is None else out | {"output_tokens_details": {"thinking_tokens": thoughts}}

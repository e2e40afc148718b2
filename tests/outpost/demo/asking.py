"""What the stand-in is asked in its tests."""

from typing import Any

HUGE_BYTES = 1024 * 1024
CHAT = "/v1/chat/completions"


def chat(content: str = "SAY:hello you", model: str = "standin-chat", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}

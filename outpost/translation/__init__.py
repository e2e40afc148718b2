"""One exchange between a client of one vendor's API and a provider of another's: OpenAI chat ⇄ Anthropic messages.

Pure: bytes in, bytes out. ``exchange.open_exchange(raw, client, at=...)`` takes an inspected request body as the client
sent it (``client`` is the API it speaks) and gives an ``Exchange``: ``request`` for the provider, ``answer(raw)`` for
its whole answer, ``stream()`` for a streamed one, whose ``feed(data)`` and ``end()`` give ``Sent(data, name)`` events.
What has no faithful counterpart is ``Untranslatable``, which names the field (``docs/translation.md`` is the table).
"""

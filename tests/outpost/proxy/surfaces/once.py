"""What a text becomes in a stream: inspected once, read as the stream reads it."""

from outpost.dlp.engine import default_engine
from outpost.proxy.spans import Span, label, replace_spans
from outpost.proxy.unescape import Unescaper

ENGINE = default_engine()


def spans(text):
    """Where something is found, in the text as received."""
    unescaper = Unescaper()
    findings = ENGINE.scan(unescaper.feed(text) + unescaper.finish())
    return [Span(unescaper.received(f.start), unescaper.received(f.end), label(f)) for f in findings]


def redacted(text):
    return replace_spans(text, spans(text))


def is_cut_in_time(said, text):
    """Whether ``said`` is a beginning of ``text`` without a character of what is found in it."""
    return text.startswith(said) and len(said) <= min((span.start for span in spans(text)), default=len(text))

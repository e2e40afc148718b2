"""One assertion for all detector tables: what is found, as (kind, text of the span)."""

from outpost.dlp.engine import default_engine

ENGINE = default_engine()


def found(text, kind_prefix=""):
    return [(f.kind, text[f.start : f.end]) for f in ENGINE.scan(text) if f.kind.startswith(kind_prefix)]

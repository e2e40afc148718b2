"""Presidio's pattern recognisers as a filter: a JSON array of texts on standard input, findings and seconds out.

Runs in an environment of its own (``make peers``). No language model: context words are looked for in the words of the
text, and the recogniser that needs a model is left out; the telephone recogniser, which is no pattern, is kept.
"""

import json
import sys
import time

from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine


class _Blank(SpacyNlpEngine):
    """A tokeniser without a model."""

    def load(self) -> None:
        import spacy  # noqa: PLC0415 - only here

        self.nlp = {"en": spacy.blank("en")}


def main() -> None:
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    registry.recognizers = [r for r in registry.recognizers if r.name != "SpacyRecognizer"]
    engine = _Blank(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.load()
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    texts = json.load(sys.stdin)
    analyzer.analyze("warm up", language="en")
    begin = time.perf_counter()
    found = [[(r.entity_type, r.start, r.end) for r in analyzer.analyze(text, language="en")] for text in texts]
    json.dump({"seconds": time.perf_counter() - begin, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()

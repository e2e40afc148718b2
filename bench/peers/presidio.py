"""Presidio's pattern recognisers as a filter: one JSON text a line on standard input, findings and CPU seconds out.

Runs in an environment of its own (``make peers``), by file name. No language model: context words are looked for in the
words of the text, and the recogniser that needs a model is left out. The others of its default registry for English are
kept, also that of telephone numbers, which is no pattern. The lowest score that counts is the first argument.
"""

import json
import sys
import time

import tldextract

# The e-mail recogniser would fetch the list of public suffixes from the network; the package carries a copy.
tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: E402 - after the line above
from presidio_analyzer.nlp_engine import SpacyNlpEngine  # noqa: E402


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
    analyzer.default_score_threshold = float(sys.argv[1])
    analyzer.analyze("warm up", language="en")
    for line in sys.stdin:
        text = json.loads(line)["text"]
        begin = time.process_time()
        found = analyzer.analyze(text, language="en")
        cpu_s = time.process_time() - begin
        print(json.dumps({"cpu_s": cpu_s, "found": [(r.entity_type, r.start, r.end) for r in found]}), flush=True)


if __name__ == "__main__":
    main()

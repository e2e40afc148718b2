from outpost.models import bench
from outpost.models.bench import measure
from outpost.models.options import SessionOptions


def test_every_length_batch_and_text_has_its_figures(tiny, monkeypatch):
    monkeypatch.setattr(bench, "TEXT_CHARS", (50, 500))
    monkeypatch.setattr(bench, "_LEAST_RUNS", 1)
    report = measure(tiny, SessionOptions(), runners=2, seconds=0.0, batches=(1, 2))
    assert [(point.tokens, point.windows) for point in report.windows] == [(16, 1), (16, 2)]
    assert [(point.chars, point.windows > 0) for point in report.texts] == [(50, True), (500, True)]
    for point in (*report.windows, *report.texts):
        assert 0 < point.p50_ms <= point.p95_ms
        assert point.tokens_per_s > 0
    assert (report.pack, report.provider, report.runners) == ("tiny 1.0", "cpu", 2)
    assert report.load_s > 0
    assert report.batch_drift == 0  # a table has no ranges
    assert report.rss_mb > 1

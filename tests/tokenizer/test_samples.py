import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anadil.errors import UserError
from anadil.recipe import MeasureOn
from anadil.tokenizer import samples as module
from anadil.tokenizer.samples import drawn, samples


@pytest.fixture
def corpus(tmp_path, new_texts):
    folder = tmp_path / "corpus"
    found = []
    for name, language, texts in (("one", "az", new_texts), ("two", "en", [])):
        (folder / "text" / name).mkdir(parents=True)
        table = pa.table({"id": [str(i) for i in range(len(texts))], "text": pa.array(texts, pa.string())})
        pq.write_table(table, folder / "text" / name / "heldout.parquet")
        size = sum(len(text.encode()) for text in texts)
        found.append({"name": name, "language": language, "heldout": {"documents": len(texts), "bytes": size}})
    (folder / "sources.json").write_text(json.dumps({"sources": found}))
    return folder


def test_what_is_held_out_and_what_is_named(corpus, tmp_path, new_texts):
    (tmp_path / "news.jsonl").write_text('{"body": "Bir  \\r\\niki"}\n{"body": "u\\u0308\\u00e7"}\n')
    named = MeasureOn(name="news", path=tmp_path / "*.jsonl", language="tr", text_field="body")
    found = samples(corpus, [named])
    assert [(sample.name, sample.language) for sample in found] == [("one", "az"), ("news", "tr")]
    assert list(found[0].texts()) == list(found[0].texts()) == new_texts
    assert list(found[1].texts()) == list(found[1].texts()) == ["Bir\niki", "üç"], "as the corpus would have it"


def test_of_much_text_a_share_is_drawn(corpus, monkeypatch, new_texts):
    monkeypatch.setattr(module, "MEASURED_BYTES", sum(len(text.encode()) for text in new_texts) // 2)
    some = list(samples(corpus, [])[0].texts())
    assert 0.25 * len(new_texts) < len(some) < 0.75 * len(new_texts)
    assert some == list(samples(corpus, [])[0].texts())


def test_the_draw_depends_on_nothing_but_the_text(new_texts):
    half = set(drawn(new_texts, 0.5))
    assert set(drawn(reversed(new_texts), 0.5)) == half
    assert set(drawn(new_texts, 0.2)) < half
    assert list(drawn(new_texts, 1.0)) == new_texts
    assert list(drawn(new_texts, 0.0)) == []


def test_what_is_not_there_or_named_twice(corpus, tmp_path):
    with pytest.raises(UserError, match="measure_on: 'news' has no"):
        samples(corpus, [MeasureOn(name="news", path=tmp_path / "none.jsonl", language="az")])
    with pytest.raises(UserError, match="'one' too"):
        samples(corpus, [MeasureOn(name="one", path=tmp_path / "none.jsonl", language="az")])

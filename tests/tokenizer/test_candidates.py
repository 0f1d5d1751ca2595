from collections import Counter
from collections.abc import Sequence

import pytest

from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.progress import silent
from anadil.recipe import Candidate, Tokenizer
from anadil.tokenizer.candidates import RARE, build_candidates, measure_candidates, token_facts
from anadil.tokenizer.count import WordCounts
from anadil.tokenizer.gather import Gathered
from anadil.tokenizer.load import load_tokenizer, read_vocabulary
from anadil.tokenizer.measure import Sample, measure

OTHERS = [Candidate(mode="extend", new_tokens=50), Candidate(mode="replace", vocab_size=520)]
TABLE = Tokenizer(mode="inplace", new_tokens=60, candidates=OTHERS, keep_min_count=20, target_min_count=50)


@pytest.fixture(scope="module")
def words(old_texts: Sequence[str], new_texts, counts_of) -> Gathered:
    return Gathered(WordCounts(counts_of(new_texts[4:])), {"en": (WordCounts(counts_of(old_texts[4:])), 20)}, {})


@pytest.fixture(scope="module")
def made(base, words, tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    return out, build_candidates(base, TABLE, words, out, silent())


@pytest.fixture(scope="module")
def texts(made, old_texts, new_texts):
    samples = [Sample("new", "az", lambda: new_texts[:4]), Sample("old", "en", lambda: old_texts[:4])]
    samples.append(Sample("more", "az", lambda: new_texts[4:6]))
    return measure_candidates(made[1], samples, load_profile("az"), "az", silent())


def files(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_the_base_is_first_then_the_one_that_goes_on(made):
    assert [one.label for one in made[1]] == ["keep", "inplace-60", "extend-50", "replace-520"]
    assert made[1][0].surgery is None


def test_each_is_what_it_would_be_alone(made, base, words, tmp_path):
    out, _ = made
    for candidate, folder in [(TABLE.chosen, out), *((c, out / "candidates" / c.label) for c in OTHERS)]:
        size = {"mode": candidate.mode, "new_tokens": candidate.new_tokens, "vocab_size": candidate.vocab_size}
        table = TABLE.model_copy(update={"candidates": [], **size})
        build_candidates(base, table, words, tmp_path / candidate.label, silent())
        assert files(folder) == files(tmp_path / candidate.label)


def test_keep_is_built_where_it_is_asked_for(base, words, tmp_path):
    table = Tokenizer(mode="keep", candidates=[Candidate(mode="extend", new_tokens=10)])
    found = build_candidates(base, table, words, tmp_path, silent())
    assert [one.label for one in found] == ["keep", "extend-10"]
    assert found[0].surgery is not None
    assert read_vocabulary(tmp_path).tokens == read_vocabulary(base).tokens


def test_without_a_base_there_is_nothing_to_compare_with(words, tmp_path):
    found = build_candidates(None, Tokenizer(mode="replace", vocab_size=512), words, tmp_path, silent())
    assert [one.label for one in found] == ["replace-512"]


def test_a_candidate_that_cannot_be_is_named(base, words, tmp_path):
    table = TABLE.model_copy(update={"candidates": [Candidate(mode="extend", new_tokens=90_000)]})
    with pytest.raises(UserError, match="candidate extend-90000: too little text"):
        build_candidates(base, table, words, tmp_path, silent())


def test_all_are_measured_on_the_same_text(made, base, texts, new_texts, old_texts):
    alone = measure({"keep": load_tokenizer(base)}, new_texts[:4])
    assert texts.domains["new"].facts("keep") == alone.facts("keep")
    whole = measure({"keep": load_tokenizer(base)}, new_texts[:6])
    assert texts.by_language["az"].facts("keep") == whole.facts("keep")
    assert list(texts.by_language) == ["az", "en"]
    assert {len(m.tokens[one.label]) for one in made[1] for m in [texts.domains["new"]]} == {4}


def test_every_way_of_writing_is_measured(made, texts):
    assert set(texts.writing) == {"as_written", "ascii", "uppercase", "digits", "emoji", "code"}
    for one in made[1]:
        assert texts.failures(one.label) == 0
        assert all(measured.facts(one.label)["tokens"] > 0 for measured in texts.writing.values())
    upper, written = (texts.writing[way].facts("inplace-60") for way in ("uppercase", "as_written"))
    assert upper["words"] == written["words"]
    assert upper["tokens_per_word"] > written["tokens_per_word"]


def test_failures_are_counted_once(made, texts):
    measured = texts.domains["new"]
    measured.failures["keep"] += 3
    assert texts.failures("keep") == 3
    measured.failures["keep"] -= 3


def test_unused_and_rare_tokens(made, texts, words, new_texts, old_texts):
    found = {one.label: token_facts(one, texts, words) for one in made[1]}
    used = set().union(*(measured.used["keep"] for measured in texts.domains.values()))
    assert found["keep"]["unused_tokens"] == 600 - 16 - len(used)
    assert found["keep"]["rare_new_tokens"] == 0
    assert all(facts["unreachable_tokens"] == 0 for facts in found.values())
    one = made[1][1]
    read = one.tokenizer.encode_batch([*new_texts[4:], *old_texts[4:]], add_special_tokens=False)
    counts = Counter(identifier for encoding in read for identifier in encoding.ids)
    rare = [identifier for identifier, _ in one.surgery.new if counts[identifier] < RARE]
    assert 0 < found["inplace-60"]["rare_new_tokens"] == len(rare) < 60

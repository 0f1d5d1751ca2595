import pytest

from anadil.errors import UserError
from anadil.progress import silent
from anadil.recipe import Tokenizer
from anadil.tokenizer.count import count_words
from anadil.tokenizer.gather import gather
from anadil.tokenizer.surgery import pre_tokenizer_of

CUT = pre_tokenizer_of(None)


def gathered(corpus, target="az", **settings):
    return gather(Tokenizer.model_validate(settings), corpus, target, CUT, silent())


def test_languages_samples_and_scripts_each_with_its_count(corpus, tmp_path, new_texts, old_texts):
    (tmp_path / "sample.txt").write_text("cafe\u0301 dom", encoding="utf-8")
    keep = ["en", "az", {"sample": str(tmp_path / "*.txt"), "min_count": 7}, "script:greek", "script:greek"]
    found = gathered(corpus, keep=keep, keep_min_count=3)
    assert found.target.words == count_words([*new_texts, "qəz <|eot_id|> <|begin_of_text|>"], CUT).words
    assert {one.name: one.min_count for one in found.as_kept()} == {"en": 3, "sample:*.txt": 7}
    assert found.kept["en"][0].words == count_words(old_texts, CUT).words
    assert found.kept["sample:*.txt"][0].words == count_words(["caf\u00e9 dom"], CUT).words, "NFC, as the corpus is"
    assert found.scripts == {"greek": None}


def test_what_is_missing_is_known_before_anything_is_counted(corpus, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("counted")

    monkeypatch.setattr("anadil.tokenizer.gather.count_words", refuse)
    with pytest.raises(UserError, match=r"nowhere\.txt") as caught:
        gathered(corpus, keep=[str(tmp_path / "nowhere.txt")])
    assert "relative to the recipe" in caught.value.hint
    with pytest.raises(UserError, match=r"'tr' \(in `keep`\); its sources are in: az, en"):
        gathered(corpus, keep=["en", "tr"])
    with pytest.raises(UserError, match=r"'fi' \(the target\)"):
        gathered(corpus, "fi", keep=["en"])


def test_what_extends_or_keeps_needs_no_kept_text(corpus):
    assert not gathered(corpus, keep=["tr"], mode="extend").kept
    assert not gathered(corpus, "fi", keep=["tr"], mode="keep").kept
    with pytest.raises(UserError, match="'tr'"):
        gathered(corpus, keep=["tr"], mode="extend", candidates=[{"mode": "inplace"}])


def test_a_target_in_other_letters_is_refused(corpus):
    text = (corpus / "sources.json").read_text()
    (corpus / "sources.json").write_text(text.replace('"az"', '"x"').replace('"en"', '"az"'))
    with pytest.raises(UserError, match=r"training text of 'az'.*beyond ASCII \(ç, ə"):
        gathered(corpus, keep=[])

"""The stage tokenizer and the decision it writes, over the small road."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.commands.test_bad_input import make_base
from tests.roads import make_texts, write_road, write_texts

from anadil.artifact import LOG
from anadil.context import Context
from anadil.corpus.build import sources
from anadil.progress import Progress, silent
from anadil.recipe import Recipe, load
from anadil.report.decision_facts import decision_facts
from anadil.stages import corpus, tokenizer
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.measure import measure
from anadil.tokenizer.samples import samples

TABLE = """mode = "inplace"
new_tokens = 40
keep_min_count = 40
target_min_count = 400
keep = ["en", "script:cyrillic"]
candidates = [{ mode = "extend", new_tokens = 30 }, { mode = "replace", vocab_size = 512 }]
measure_on = [
    { name = "talk", path = "talk.jsonl", language = "az" },
    { name = "other", path = "other.jsonl", language = "tr" },
    { name = "cyrillic", path = "cyrillic.jsonl", language = "kk" },
]
"""
CONFIG = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


@dataclass(frozen=True)
class Stage:
    recipe: Recipe
    corpus: Path
    out: Path
    metrics: dict[str, float]
    decision: dict[str, Any]


class Lines:
    """Progress that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def task(self, label: str, total: float | None, unit: str) -> Any:
        return silent().task(label, total, unit)

    def line(self, text: str) -> None:
        self.said.append(text)


def write(folder: Path, table: str = TABLE) -> Path:
    recipe = write_road(folder, stages=["corpus", "tokenizer"], base='path = "base"', tokenizer=table)
    base = make_base(folder / "base")
    (base / "config.json").write_text(json.dumps(CONFIG | json.loads((base / "config.json").read_text())))
    write_texts(folder / "talk.jsonl", make_texts("az", 12, 7))
    write_texts(folder / "other.jsonl", make_texts("en", 6, 8))
    write_texts(folder / "cyrillic.jsonl", ["бұл сөз"] * 3)
    return recipe


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    recipe = load(write(folder / "in"))
    corpus.run(recipe, {}, folder / "corpus", Context())
    metrics = tokenizer.run(recipe, {"corpus": folder / "corpus"}, folder / "out", Context())
    return Stage(
        recipe, folder / "corpus", folder / "out", metrics, json.loads((folder / "out" / "decision.json").read_text())
    )


def test_the_decision_names_all_and_is_one_the_report_reads(stage: Stage) -> None:
    decision = stage.decision
    assert [c["label"] for c in decision["candidates"]] == ["keep", "inplace-40", "extend-30", "replace-512"]
    assert decision["domains"] == ["az", "en", "talk", "other", "cyrillic"]
    assert (decision["base_label"], decision["chosen"]) == ("keep", "inplace-40")
    assert decision["target_name"] == "Azerbaijani"
    facts = decision_facts(decision)
    assert facts.find(facts.recommendation.label)
    assert facts.languages() == {"az": "target", "en": "kept", "kk": "kept", "tr": "other"}


def test_no_figure_is_missing_and_every_interval_holds_its_point(stage: Stage) -> None:
    for candidate in stage.decision["candidates"]:
        parts = [*candidate["domains"].values(), *candidate["writing"].values(), *candidate["languages"].values()]
        for part in parts:
            assert None not in part.values()
            assert part["low95"] <= part["tokens_per_word"] <= part["high95"]
        for part in candidate["languages"].values():
            assert part["change_low95"] <= part["change"] <= part["change_high95"]
        assert [key for key, value in candidate.items() if value is None] == ["build_seconds"]


def test_the_base_changes_nothing_and_pays_nothing(stage: Stage) -> None:
    base = stage.decision["candidates"][0]
    for at in base["languages"].values():
        assert (at["change"], at["change_low95"], at["change_high95"]) == (0.0, 0.0, 0.0)
    assert base["context_gained"] == 1.0
    assert base["seconds_saved_per_million_words"] == 0.0
    assert base["scripts"] == {"Latin": {"base": 128, "left": 128}} or all(
        counts["base"] == counts["left"] > 0 for counts in base["scripts"].values()
    )


def test_compute_is_that_of_the_config(stage: Stage) -> None:
    body = 2 * (2 * 32 * 32 + 2 * 32 * 32 + 3 * 32 * 64 + 2 * 32) + 32
    for candidate in stage.decision["candidates"]:
        rows = candidate["vocab_size"]
        assert candidate["embedding_parameters"] == rows * 32
        assert candidate["parameters"] == body + rows * 32
        tokens = candidate["languages"]["az"]["tokens_per_word"]
        assert candidate["flops_per_word"] == pytest.approx(tokens * 6 * (body + rows * 32))


def test_metrics_are_the_decisions_and_have_their_old_names(stage: Stage) -> None:
    metrics, chosen, base = stage.metrics, stage.decision["candidates"][1], stage.decision["candidates"][0]
    for end, name in (("tokens_per_word", ""), ("low95", "_low95"), ("high95", "_high95")):
        assert metrics[f"target_tokens_per_word{name}"] == chosen["languages"]["az"][end]
        assert metrics[f"base_target_tokens_per_word{name}"] == base["languages"]["az"][end]
    assert metrics["source_en_words"] == metrics["original_words"] == chosen["domains"]["en"]["words"] > 0
    assert metrics["original_tokens_per_word"] == chosen["languages"]["en"]["tokens_per_word"]
    assert metrics["new_tokens"] == metrics["freed_tokens"] == 40
    assert metrics["kept_tokens"] + 40 == metrics["vocabulary_tokens"] == metrics["base_vocabulary_tokens"] == 400
    assert metrics["kept_languages_change_max"] == max(chosen["languages"][code]["change"] for code in ("en", "kk"))
    change = metrics["target_tokens_per_word"] - metrics["base_target_tokens_per_word"]
    assert metrics["target_tokens_per_word_change"] == pytest.approx(change)
    assert metrics["target_tokens_per_word_change_high95"] < 0
    assert {"unused_tokens", "base_unused_tokens", "unreachable_tokens", "rare_new_tokens"} <= metrics.keys()


def test_figures_are_those_of_the_folders_written(stage: Stage) -> None:
    texts = [text for sample in samples(stage.corpus, stage.recipe.tokenizer.measure_on)
             if sample.language == "az" for text in sample.texts()]  # fmt: skip
    for candidate in stage.decision["candidates"][1:]:
        chosen = candidate["label"] == stage.decision["chosen"]
        folder = stage.out if chosen else stage.out / "candidates" / candidate["label"]
        facts = measure({"it": load_tokenizer(folder)}, texts).facts("it")
        assert facts["tokens_per_word"] == candidate["languages"]["az"]["tokens_per_word"]
        assert facts["low95"] == candidate["languages"]["az"]["low95"]


def test_the_same_input_gives_the_same_files_but_for_the_log(stage: Stage, tmp_path: Path) -> None:
    tokenizer.run(stage.recipe, {"corpus": stage.corpus}, tmp_path, Context())
    names = {str(file.relative_to(stage.out)) for file in stage.out.rglob("*") if file.is_file()}
    assert names == {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert {"decision.json", "measure.json", "agreement.json", LOG} < names
    for name in names - {LOG}:
        assert (tmp_path / name).read_bytes() == (stage.out / name).read_bytes(), name
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [row["candidate"] for row in rows] == ["keep", "inplace-40", "extend-30", "replace-512"]
    assert all(row["seconds"] > 0 for row in rows[1:])


def test_another_recommendation_than_the_choice_is_said(stage: Stage, tmp_path: Path) -> None:
    lines = Lines()
    progress: Progress = lines
    table = stage.recipe.tokenizer.model_copy(update={"mode": "keep", "measure_on": []})
    base = Path(str(stage.recipe.base.path))
    made = tokenizer.build_and_measure(table, base, stage.corpus, "az", "en", tmp_path, progress)
    label = made.decision["recommendation"]["label"]
    assert label != made.decision["chosen"] == "keep"
    assert f"going on with keep as the recipe says; recommended is {label}" in lines.said[-1]


def test_nothing_held_out_is_not_measured_instead_of_zero(stage: Stage, tmp_path: Path) -> None:
    folder = shutil.copytree(stage.corpus, tmp_path / "corpus")
    bare = [{**source, "heldout": {"documents": 0, "bytes": 0, "words": 0}} for source in sources(folder)]
    (folder / "sources.json").write_text(json.dumps({"sources": bare}))
    table, lines = stage.recipe.tokenizer.model_copy(update={"measure_on": []}), Lines()
    base = Path(str(stage.recipe.base.path))
    made = tokenizer.build_and_measure(table, base, folder, "az", "en", tmp_path / "out", lines)
    assert not any("per_word" in name or "per_token" in name for name in made.metrics)
    assert "kept_languages_change_max" not in made.metrics
    for candidate in made.decision["candidates"]:
        assert candidate["languages"]["az"]["tokens_per_word"] is None
        assert candidate["context_gained"] is None
        assert candidate["flops_per_word"] is None
    assert made.decision["recommendation"]["label"] == ""
    assert "no recommendation: There was no text in Azerbaijani" in lines.said[-1]
    decision_facts(made.decision)


def test_from_nothing_there_is_no_base(tmp_path: Path) -> None:
    recipe = load(write_road(tmp_path / "in", stages=["corpus", "tokenizer"]))
    corpus.run(recipe, {}, tmp_path / "corpus", Context())
    metrics = tokenizer.run(recipe, {"corpus": tmp_path / "corpus"}, tmp_path / "out", Context())
    decision = json.loads((tmp_path / "out" / "decision.json").read_text())
    assert decision["base_label"] == ""
    assert [c["label"] for c in decision["candidates"]] == ["replace-512"]
    assert decision["recommendation"]["label"] == "replace-512"
    assert metrics["base_vocabulary_tokens"] == 0
    assert not any(name.startswith("base_target") for name in metrics)

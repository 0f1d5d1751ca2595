"""The road from end to end through the command line."""

import json
from pathlib import Path

import pytest

from anadil.bootstrap import LEAST_DOCUMENTS
from anadil.recipe import STAGES
from tests.e2e.conftest import Road, anadil

pytestmark = pytest.mark.e2e


def shown(road: Road) -> dict[str, dict[str, dict[str, float]]]:
    done = anadil("show", "small", "--json", cwd=road.home)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, dict[str, dict[str, float]]] = json.loads(done.stdout)
    return loaded


def test_every_stage_is_done_and_says_what_it_measured(road: Road) -> None:
    facts = shown(road)
    assert [(stage["stage"], stage["state"]) for stage in facts["stages"]] == [(name, "done") for name in STAGES]  # type: ignore[index]
    metrics = facts["metrics"]
    assert metrics["tokenizer"]["target_tokens_per_word"] < metrics["tokenizer"]["base_target_tokens_per_word"]
    assert metrics["tokenizer"]["vocabulary_tokens"] == metrics["tokenizer"]["base_vocabulary_tokens"] == 512
    assert metrics["tokenizer"]["source_en_words"] == metrics["tokenizer"]["original_words"] > 0
    assert metrics["transfer"]["new_rows"] > 0
    assert metrics["pretrain"]["steps"] == 6
    assert metrics["sft"]["kept_dialogues"] == 8
    few = metrics["evaluate"]["target_bits_per_byte_items"] < LEAST_DOCUMENTS
    assert ("target_bits_per_byte_change_low95" in metrics["evaluate"]) != few
    assert metrics["evaluate"]["answers_items"] == 4


def test_the_report_is_written_and_told(road: Road) -> None:
    page = (road.run / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "://" not in page.replace("http://www.w3.org", "")
    done = anadil("show", "small", cwd=road.home)
    assert done.returncode == 0
    assert "small" in done.stdout


def test_what_is_delivered_is_what_was_trained(road: Road) -> None:
    done = anadil("verify", "small", "--json", cwd=road.home)
    found = json.loads(done.stdout)
    assert [check for check in found["checks"] if not check["passed"]] == []
    names = {check["name"] for check in found["checks"] if check["result"] == "pass"}
    assert names >= {"files", "adapter", "Hugging Face weights", "tied weights", "template"}
    assert (done.returncode, found["passed"]) == (0, True)


def test_the_rows_of_fine_tuning_can_be_looked_at(road: Road) -> None:
    done = anadil("sft", "inspect", str(road.recipe), "--json", cwd=road.home)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["account"]["read"] == 8
    for row in found["shown"]:
        learned = [text for text, is_learned in row["pieces"] if is_learned]
        assert len(learned) == 1
        assert learned[0].endswith("<|eot_id|>")
    shown = anadil("sft", "inspect", str(road.recipe), cwd=road.home)
    assert "8 dialogues read" in shown.stdout
    assert "between » and « is learned" in shown.stdout
    assert "<|eot_id|>«" in shown.stdout


def test_a_second_run_does_nothing_and_says_how_to_chat(road: Road) -> None:
    before = {file: file.stat().st_mtime_ns for file in road.run.rglob("*") if file.is_file() and file.name != ".lock"}
    done = anadil("run", str(road.recipe), cwd=road.home)
    assert done.returncode == 0
    assert "nothing to run" in done.stdout
    assert "chat small" in done.stdout
    assert {f: f.stat().st_mtime_ns for f in road.run.rglob("*") if f.is_file() and f.name != ".lock"} == before


@pytest.mark.parametrize(
    ("setting", "stale"),
    [
        ("transfer.method=mean", STAGES[3:]),
        ("pretrain.learning_rate=5e-4", STAGES[4:]),
        ("sft.rank=2", STAGES[5:]),
        ("evaluate.max_new_tokens=4", ("evaluate",)),
        ("serve.system_prompt='Sən köməkçisən.'", STAGES[5:]),
        ("run.threads=2", ()),
        ("gates=[{metric='target_bits_per_byte', max=99.0}]", ()),
    ],
)
def test_a_changed_key_makes_exactly_its_dependants_stale(road: Road, setting: str, stale: tuple[str, ...]) -> None:
    done = anadil("plan", str(road.recipe), "--json", "--set", setting, cwd=road.home)
    assert done.returncode == 0, done.stderr
    assert [step["stage"] for step in json.loads(done.stdout) if step["state"] == "stale"] == list(stale)


def test_a_failed_gate_ends_with_3_also_when_nothing_ran(road: Road) -> None:
    gate = "gates=[{metric='target_bits_per_byte', max=0.001}]"
    done = anadil("run", str(road.recipe), "--set", gate, cwd=road.home)
    assert done.returncode == 3
    assert "FAILED" in done.stdout
    missing = "gates=[{metric='target_bits_per_bite', max=1.0}]"
    done = anadil("run", str(road.recipe), "--set", missing, cwd=road.home)
    assert done.returncode == 2
    assert "target_bits_per_byte" in done.stderr
    assert anadil("run", str(road.recipe), cwd=road.home).returncode == 0, "its own gates hold, as before"


def test_chat_answers_piped_questions(road: Road) -> None:
    done = anadil("chat", "small", cwd=road.home, stdin="Salam\n<|eot_id|>\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") >= 2, "an answer to each, whatever so small a model says"


def test_bits_per_byte_of_both_files_agree(road: Road, tmp_path: Path) -> None:
    text = tmp_path / "text.jsonl"
    lines = (road.recipe.parent / "az.jsonl").read_text(encoding="utf-8").splitlines()[:5]
    text.write_text("\n".join(lines), encoding="utf-8")
    values = []
    for model in ("export/hf", "export/model-q8_0.gguf"):
        done = anadil("eval", "bpb", str(road.run / model), str(text), "--json", cwd=road.home)
        assert done.returncode == 0, done.stderr
        values.append(json.loads(done.stdout)["bits_per_byte"])
    assert values[0] == pytest.approx(values[1], rel=0.01)


def test_compare_and_the_tools(road: Road, base_road: Road, tmp_path: Path) -> None:
    done = anadil("compare", str(road.run), str(base_road.run), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert any(row["metric"] == "target_tokens_per_word" for row in json.loads(done.stdout))
    texts = str(road.recipe.parent / "az.jsonl")
    done = anadil("corpus", "run", "--in", texts, "--out", "clean", "--heldout-share", "0.2", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["read"]["documents"] == 60
    base = str(base_road.run / "export" / "hf")
    arguments = [
        "--base",
        base,
        "--corpus",
        "clean",
        "--mode",
        "extend",
        "--new-tokens",
        "20",
        "--out",
        "tok",
        "--json",
    ]
    done = anadil("tokenizer", "build", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["vocabulary_tokens"] == 532


def test_the_exported_folder_is_plain_hugging_face(road: Road) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = road.run / "export" / "hf"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Salam"}], add_generation_prompt=True, return_tensors="pt"
    )
    made = model.generate(**ids, max_new_tokens=4, do_sample=False)
    assert made.shape[1] > ids["input_ids"].shape[1]
    assert model.config.tie_word_embeddings

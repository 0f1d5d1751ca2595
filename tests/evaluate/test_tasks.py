import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.evaluate.asked import AZ, Noted, ask, opener
from tests.evaluate.task_rows import BELEBELE, EXAM, write_rows
from tests.export.conftest import make_model

from anadil.engines.protocol import GenerateParams
from anadil.errors import UserError
from anadil.evaluate.answers import words
from anadil.evaluate.bits_per_byte import first_id
from anadil.evaluate.tasks import check, measure
from anadil.export.gguf import write_gguf
from anadil.progress import silent
from anadil.recipe import Task
from anadil.tokenizer.chat import BOS, CONTROL_TOKENS, encode_plain
from anadil.tokenizer.load import load_tokenizer

pytest.importorskip("lm_eval")

PROMPT = "Sual: {{question}}\nCavab:"


@pytest.fixture
def exam(tmp_path: Path) -> Callable[..., Task]:
    """A task of the rows given, and of fields that differ."""

    def made(rows: Sequence[dict[str, Any]] = EXAM, **fields: Any) -> Task:
        path = write_rows(tmp_path / f"{fields.get('name', 'exam')}.jsonl", rows)
        return Task.model_validate({"name": "exam", "path": path, "prompt": PROMPT, "choices": "choices"} | fields)

    return made


@pytest.fixture(scope="module")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("other") / "model", hidden=32)


def score_by_hand(folder: Path, prompt: str, choice: str) -> float:
    """Log-likelihood of a choice after a prompt, that of both less that of the prompt alone."""
    from anadil.model.load import load
    from anadil.model.score import score_tokens

    tokenizer = load_tokenizer(folder)
    before, whole = ([first_id(folder, tokenizer), *encode_plain(tokenizer, t)] for t in (prompt, prompt + choice))
    assert whole[: len(before)] == before
    (nats,) = score_tokens(load(folder), [whole])
    return -float(nats[len(before) - 1 :].sum())


YAML = """
task: {name}
dataset_path: json
dataset_kwargs: {{cache_dir: {cache}, data_files: {{test: {asked}, shown: {shown}}}}}
test_split: test
fewshot_split: shown
fewshot_config: {{sampler: first_n}}
num_fewshot: {shots}
output_type: multiple_choice
doc_to_text: "Sual: {{{{question}}}}\\nCavab:"
doc_to_choice: choices
doc_to_target: answer
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_bytes, aggregation: mean, higher_is_better: true}}
"""


def test_scores_are_those_of_the_harness_run_by_itself(
    model_folder: Path, exam: Callable[..., Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets
    import huggingface_hub.constants
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    asked, shown = exam(EXAM[2:]), write_rows(tmp_path / "shown.jsonl", EXAM[:2])
    tasks = [asked, exam(EXAM[2:], name="shots", shots=2, shots_path=shown)]
    for task in tasks:
        names = {"name": task.name, "cache": tmp_path / "cache", "asked": asked.path, "shown": shown}
        (tmp_path / f"{task.name}.yaml").write_text(YAML.format(**names, shots=task.shots))
    for module in (huggingface_hub.constants, datasets.config):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    theirs = lm_eval.simple_evaluate(
        model=HFLM(pretrained=str(model_folder), device="cpu", dtype="float32", batch_size=3),
        tasks=["exam", "shots"],
        task_manager=TaskManager(include_defaults=False, include_path=str(tmp_path)),
        bootstrap_iters=0,
    )
    rows, found = ask(model_folder, *tasks)
    for name in ("exam", "shots"):
        assert found[f"task_{name}_accuracy"] == theirs["results"][name]["acc_bytes,none"]
        assert found[f"task_{name}_raw_accuracy"] == theirs["results"][name]["acc,none"]
        for row, sample in zip(rows[name], theirs["samples"][name], strict=True):
            assert row["logprobs"] == pytest.approx([answer[0][0] for answer in sample["resps"]], abs=1e-4)
            assert (row["correct"], row["correct_raw"]) == (bool(sample["acc_bytes"]), bool(sample["acc"]))
    assert rows["shots"][0]["logprobs"] != pytest.approx(rows["exam"][0]["logprobs"], abs=1e-2)


def test_a_likelihood_is_the_one_computed_by_hand(model_folder: Path, exam: Callable[..., Task]) -> None:
    rows, found = ask(model_folder, exam())
    for row in rows["exam"]:
        by_hand = [score_by_hand(model_folder, row["prompt"], f" {choice}") for choice in row["choices"]]
        assert row["logprobs"] == pytest.approx(by_hand, abs=1e-4)
        assert row["bytes"] == [len(choice.encode()) for choice in row["choices"]]
        shares = [nats / size for nats, size in zip(row["logprobs"], row["bytes"], strict=True)]
        assert row["chosen"] == shares.index(max(shares))
        assert row["chosen_raw"] == row["logprobs"].index(max(row["logprobs"]))
        assert row["correct"] == (row["chosen"] == row["answer"])
    assert found["task_exam_accuracy"] == sum(row["correct"] for row in rows["exam"]) / len(EXAM)
    assert found["task_exam_accuracy_items"] == len(EXAM)
    assert found["task_exam_chance"] == pytest.approx((3 / 4 + 1 / 2 + 2 / 3) / 6)
    assert "task_exam_accuracy_low95" not in found


@pytest.mark.parametrize("question", ["<|eot_id|> nədir?", "<|begin_of_text|>Bu nədir?", "Bu <|end_of_text|> nədir?"])
def test_typed_control_tokens_stay_text(model_folder: Path, exam: Callable[..., Task], question: str) -> None:
    task = exam([{"question": question, "choices": ["<|eot_id|>", "söz"], "answer": 0}], prompt="{{question}}")
    (row,) = ask(model_folder, task)[0]["exam"]
    by_hand = [score_by_hand(model_folder, question, f" {choice}") for choice in row["choices"]]
    assert row["logprobs"] == pytest.approx(by_hand, abs=1e-4)


def test_ids_are_those_of_the_whole_text_after_one_bos(model_folder: Path) -> None:
    from anadil.evaluate.harness_model import HarnessModel

    model, tokenizer, first = opener(model_folder)()
    asked = HarnessModel(model, tokenizer, first, silent())
    assert first == tokenizer.token_to_id(BOS)
    for context, choice in [
        ("Sual: necə?\nCavab:", " tarif"), ("Cavab:\n", "tarif"), ("Cavab: ", "tarif"), ("tar", "if"),
        ("<|begin_of_text|>", "<|eot_id|>"), ("Salam \n\n", "\n tarif"), (" ", "tarif"),
    ]:  # fmt: skip
        before, after = asked._encode_pair(context, choice)
        assert before + after == [first, *encode_plain(tokenizer, context + choice)]
        assert before[0] == first
        assert after
    assert "\n" in tokenizer.decode(asked._encode_pair("Cavab:\n", "tarif")[0])  # the harness alone loses it


def test_texts_that_are_cut_in_two_ways_do_not_share_logits(model_folder: Path) -> None:
    from lm_eval.api.instance import Instance

    from anadil.evaluate.harness_model import HarnessModel

    asked = HarnessModel(*opener(model_folder)(), silent())
    pairs = [("Salam", ", tarif necə dəyişim?"), ("Salam, tarif necə", " dəyişim?")]
    requests = [Instance("loglikelihood", {}, pair, 0) for pair in pairs]
    for (found, _), (context, choice) in zip(asked.loglikelihood(requests), pairs, strict=True):
        assert found == pytest.approx(score_by_hand(model_folder, context, choice), abs=1e-4)


def test_index_letter_text_and_template_say_the_same(model_folder: Path, exam: Callable[..., Task]) -> None:
    forms: dict[str, Callable[[dict[str, Any]], Any]] = {
        "number": lambda row: row["answer"],
        "letter": lambda row: "ABCD"[row["answer"]],
        "text": lambda row: row["choices"][row["answer"]],
    }
    tasks = [exam([row | {"answer": form(row)} for row in EXAM], name=name) for name, form in forms.items()]
    tasks.append(exam([row | {"from_one": row["answer"] + 1} for row in EXAM], name="made", answer="{{from_one - 1}}"))
    rows, _ = ask(model_folder, *tasks)
    assert rows["number"] == rows["letter"] == rows["text"] == rows["made"]


def test_templates_of_choices_are_as_good_as_a_list(model_folder: Path, exam: Callable[..., Task]) -> None:
    pairs = [row for row in EXAM if row["answer"] < 2]
    named = [
        {"question": r["question"], "a": r["choices"][0], "b": r["choices"][1], "answer": r["answer"]} for r in pairs
    ]
    listed = exam([row | {"choices": row["choices"][:2]} for row in pairs], name="listed")
    rows, _ = ask(model_folder, listed, exam(named, name="named", choices=["{{a}}", "{{b}}"]))
    assert rows["listed"] == rows["named"]


def test_a_space_goes_before_a_choice_unless_the_prompt_ends_with_one(
    model_folder: Path, exam: Callable[..., Task]
) -> None:
    spaced, lined = exam(name="spaced", prompt=PROMPT + " "), exam(name="lined", prompt=PROMPT + "\n")
    rows, _ = ask(model_folder, exam(), spaced, lined)
    assert [row["logprobs"] for row in rows["spaced"]] == [row["logprobs"] for row in rows["exam"]]
    by_hand = [score_by_hand(model_folder, rows["lined"][0]["prompt"], choice) for choice in EXAM[0]["choices"]]
    assert rows["lined"][0]["logprobs"] == pytest.approx(by_hand, abs=1e-4)


def test_questions_seen_in_training_are_marked_and_left_out(model_folder: Path, exam: Callable[..., Task]) -> None:
    long = "Səhər tezdən meşəyə gedən iki yaxın dost yolda nə tapdı?"
    rows = [*EXAM, {"question": long, "choices": ["göbələk", "qəpik"], "answer": 0}]
    seen = [
        "BİR HƏFTƏDƏ neçə gün var",  # whole
        "Tarifimi harada dəyişə bilərəm? Bunu hamı soruşur, cavabı isə tətbiqdədir.",  # short, within another
        "Dünən SƏHƏR tezdən meşəyə gedən iki yaxın dost yolda, deyirlər, qəpik tapıb",  # eight words in a row
        "Aşağıdakı sualı diqqətlə oxuyun və düzgün cavabı seçin, sonra vərəqi çevirin",  # the instruction
    ]
    prompt = "Aşağıdakı sualı diqqətlə oxuyun və düzgün cavabı seçin.\n" + PROMPT
    asked, found = ask(model_folder, exam(rows, prompt=prompt), seen=seen)
    assert [row["id"] for row in asked["exam"] if row["contaminated"]] == [1, 6]
    assert found["task_exam_contaminated_items"] == 2
    assert found["task_exam_uncontaminated_accuracy_items"] == 5
    clean = [row["correct"] for row in asked["exam"] if not row["contaminated"]]
    assert found["task_exam_uncontaminated_accuracy"] == sum(clean) / 5


def test_the_base_is_asked_the_same_and_compared(
    model_folder: Path, other_folder: Path, exam: Callable[..., Task]
) -> None:
    many = [row | {"question": f"{number}. {row['question']}"} for number in range(9) for row in EXAM]
    rows, found = ask(model_folder, exam(many), base=other_folder)
    alone, of_base = ask(other_folder, exam(many))
    assert [row["base_logprobs"] for row in rows["exam"]] == [row["logprobs"] for row in alone["exam"]]
    assert found["base_task_exam_accuracy"] == of_base["task_exam_accuracy"]
    assert found["base_task_exam_raw_accuracy"] == of_base["task_exam_raw_accuracy"]
    change = found["task_exam_accuracy"] - found["base_task_exam_accuracy"]
    assert found["task_exam_accuracy_change"] == pytest.approx(change)
    assert found["task_exam_accuracy_change_low95"] <= change <= found["task_exam_accuracy_change_high95"]
    assert found["task_exam_accuracy_low95"] <= found["task_exam_accuracy"] <= found["task_exam_accuracy_high95"]
    assert not any("base" in key for key in [*of_base, *alone["exam"][0]])


def test_one_model_is_open_at_a_time(model_folder: Path, exam: Callable[..., Task]) -> None:
    import gc
    import weakref

    held: list[Any] = []

    def opened() -> Any:
        gc.collect()
        assert not any(model() for model in held)
        found = opener(model_folder)()
        held.append(weakref.ref(found[0]))
        return found

    measure(check([exam()], AZ, silent()), opened, opened, [], AZ, silent(), rounds=100)
    assert len(held) == 2


def test_a_gguf_file_is_asked_as_the_folder_it_was_made_of(
    model_folder: Path, exam: Callable[..., Task], tmp_path: Path
) -> None:
    from anadil.export.read_gguf import load_gguf

    write_gguf(model_folder, tmp_path / "model.gguf", "f32", name="tiny")
    closed = exam(name="closed", choices=None, answer="choices")

    def opened() -> Any:
        model, tokenizer = load_gguf(tmp_path / "model.gguf")
        return model, tokenizer, tokenizer.token_to_id(BOS)

    rows, _ = measure(check([exam(), closed], AZ, silent()), opened, None, [], AZ, silent(), rounds=100)
    expected, _ = ask(model_folder, exam(), closed)
    for row, other in zip(rows["exam"], expected["exam"], strict=True):
        assert row["logprobs"] == pytest.approx(other["logprobs"], abs=1e-4)
    assert [row["said"] for row in rows["closed"]] == [row["said"] for row in expected["closed"]]


def test_a_model_whose_control_tokens_have_other_names_is_asked_alike(
    model_folder: Path, exam: Callable[..., Task], tmp_path: Path
) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "renamed")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text(encoding="utf-8")
        for number, token in enumerate(CONTROL_TOKENS):
            text = text.replace(token, f"<control {number}>")
        (folder / name).write_text(text, encoding="utf-8")
    tasks = exam(), exam(name="closed", choices=None, answer="choices")
    assert ask(folder, *tasks) == ask(model_folder, *tasks)


@pytest.mark.parametrize(("tokens", "logits"), [(1, 2**27), (150, 2**27), (8192, 2**14)])
def test_scores_do_not_depend_on_what_goes_in_one_pass(
    model_folder: Path, exam: Callable[..., Task], monkeypatch: pytest.MonkeyPatch, tokens: int, logits: int
) -> None:
    from anadil.evaluate import harness_model

    rows, _ = ask(model_folder, exam())
    monkeypatch.setattr(harness_model, "MOST_TOKENS", tokens)
    monkeypatch.setattr(harness_model, "MOST_LOGITS", logits)
    again, _ = ask(model_folder, exam())
    for row, other in zip(rows["exam"], again["exam"], strict=True):
        assert row["logprobs"] == pytest.approx(other["logprobs"], abs=1e-4)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 20)), min_size=1, max_size=20),
    st.integers(1, 200), st.integers(1, 2000),
)  # fmt: skip
def test_passes_hold_all_texts_and_what_is_needed_of_them(
    drawn: list[tuple[int, int]], tokens: int, logits: int
) -> None:
    from anadil.evaluate import harness_model

    sizes = sorted(((choice + before, choice) for choice, before in drawn), reverse=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness_model, "MOST_TOKENS", tokens)
        patch.setattr(harness_model, "MOST_LOGITS", logits)
        passes = list(harness_model._passes(sizes, 10))
    start = 0
    for rows, kept in passes:
        some = sizes[start : start + rows]
        assert kept == max(some[0][0] - size + choice for size, choice in some)
        assert rows == 1 or (rows * some[0][0] <= tokens and rows * kept * 10 <= logits)
        start += rows
    assert start == len(sizes)


def test_the_language_of_a_closed_book_task_is_the_one_its_answers_are_compared_in(exam: Callable[..., Task]) -> None:
    rows = [
        {"question": "Which sea lies to the east of Azerbaijan, and what is found below it?", "answer": "oil"},
        {"question": "How many days does February have when the year is a leap year?", "answer": ["29", "twenty-nine"]},
        {"question": "What do bees make out of the nectar that they bring home from the flowers?", "answer": "honey"},
    ]
    task = exam(rows, choices=None, language="en")
    assert [one.profile.code for one in check([task], AZ, silent())] == ["en"]
    with pytest.raises(UserError, match="no profile for language 'xx'"):
        check([exam(rows, choices=None, language="xx")], AZ, silent())
    with pytest.raises(UserError, match="look like en"):
        check([exam(rows, choices=None)], AZ, silent())


def test_closed_book_answers_are_the_likeliest_up_to_a_line_break(
    model_folder: Path, exam: Callable[..., Task]
) -> None:
    from anadil.engines.transformers import TransformersEngine

    task = exam(choices=None, answer="choices", max_new_tokens=12)
    rows, found = ask(model_folder, task)
    with TransformersEngine(model_folder) as engine:
        for row in rows["exam"]:
            ids = [engine.tokenizer.token_to_id(BOS), *encode_plain(engine.tokenizer, row["prompt"])]
            tokens = engine.generate_ids(ids, GenerateParams(max_new_tokens=12))
            said = "".join(token.text for token in tokens).split("\n")[0].strip()
            assert row["said"].rstrip("\N{REPLACEMENT CHARACTER}") == said
            assert row["accepted"] == EXAM[row["id"]]["choices"]
    assert found["task_exam_exact_items"] == len(EXAM)
    assert 0 <= found["task_exam_token_f1"] <= 1
    # what was said, taken for one of the right answers, is exact whatever stands around its words
    right = [
        row | {"choices": ["başqa", f"«{said['said']}»!"]}
        for row, said in zip(EXAM, rows["exam"], strict=True)
        if words(said["said"], AZ)
    ]
    _, found = ask(model_folder, exam(right, choices=None, answer="choices", max_new_tokens=12), base=model_folder)
    assert found["task_exam_exact"] == found["base_task_exam_exact"] == found["task_exam_token_f1"] == 1.0
    assert found["task_exam_exact_change"] == found["task_exam_token_f1_change"] == 0.0


def test_what_does_not_fit_the_model_is_shortened_and_counted(model_folder: Path, exam: Callable[..., Task]) -> None:
    rows = [*EXAM[:2], EXAM[2] | {"question": "Bu çox uzun bir sualdır. " * 90 + EXAM[2]["question"]}]
    closed = exam(rows, name="closed", choices=None, answer="choices")
    asked, found = ask(model_folder, exam(rows), closed)
    assert found["task_exam_truncated_items"] == found["task_closed_truncated_items"] == 1
    assert all(nats < 0 for nats in asked["exam"][2]["logprobs"])
    with pytest.raises(UserError, match=r"a choice of \d+ tokens does not fit in the model's 512"):
        ask(model_folder, exam([EXAM[0] | {"choices": ["Bakı şəhəri " * 200, "Gəncə"]}]))


def test_few_questions_are_said_to_be_few(exam: Callable[..., Task]) -> None:
    lines = list[str]()
    check([exam()], AZ, Noted(lines))
    assert lines == ["  task exam: 6 questions, 50 are needed for an interval"]
    check([exam(EXAM * 9)], AZ, Noted(lines))
    assert len(lines) == 1


def test_two_tasks_of_one_name_are_refused(exam: Callable[..., Task]) -> None:
    with pytest.raises(UserError, match="two tasks are named 'exam'"):
        check([exam(), exam()], AZ, silent())


def test_no_tasks_need_no_harness() -> None:
    assert check([], AZ, silent()) == []


QUIET = """
import json, socket, sys
from pathlib import Path
def refuse(*_): raise AssertionError("it looked for the network")
socket.socket.connect = socket.getaddrinfo = refuse
from tests.evaluate.test_tasks import ask
from anadil.recipe import Task
folder, exam, belebele = map(Path, sys.argv[1:])
tasks = [
    Task(name="exam", path=exam, prompt="{{question}}", choices="choices"),
    Task(name="closed", path=exam, prompt="{{question}}", answer="choices"),
    Task(name="read", path=belebele, harness="belebele_azj_Latn", shots=1, shots_path=exam.with_name("shots.jsonl")),
]
rows, found = ask(folder, *tasks, base=folder)
Path(sys.argv[2]).with_name("found.json").write_text(json.dumps(found))
"""


def test_it_is_silent_offline_and_leaves_nothing_behind(model_folder: Path, tmp_path: Path) -> None:
    home, inputs = tmp_path / "home", tmp_path / "in"
    home.mkdir(), inputs.mkdir()
    exam, belebele = write_rows(inputs / "exam.jsonl", EXAM), write_rows(inputs / "belebele.jsonl", BELEBELE[1:])
    write_rows(inputs / "shots.jsonl", BELEBELE[:1])
    root = Path(__file__).parents[2]
    paths = f"{root}:{root / 'src'}"
    done = subprocess.run(
        [sys.executable, "-B", "-c", QUIET, str(model_folder), str(exam), str(belebele)],
        cwd=home, env={"HOME": str(home), "PYTHONPATH": paths, "OMP_WAIT_POLICY": "PASSIVE", "TMPDIR": str(home)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((inputs / "found.json").read_text())["task_read_accuracy_items"] == 4
    assert [str(path) for path in home.rglob("*") if path.is_file()] == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=12) | st.sampled_from("ABCDE"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=9)
likely_row = st.fixed_dictionaries(
    {"question": texts, "choices": st.lists(texts, min_size=2, max_size=4), "answer": st.sampled_from([0, 1])}
)
fields = st.sampled_from(["question", "choices", "answer"])
wild_row = st.builds(lambda row, field, value: row | {field: value}, likely_row, fields, anything)
bare_row = st.builds(lambda row, field: {key: row[key] for key in row if key != field}, likely_row, fields)
wild_rows = st.builds(list.__add__, st.lists(likely_row, max_size=2), st.lists(wild_row | bare_row, max_size=2))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=wild_rows, closed=st.booleans())
def test_any_row_is_measured_or_refused(
    model_folder: Path, exam: Callable[..., Task], rows: list[dict[str, Any]], closed: bool
) -> None:
    path = write_ascii(exam().path, rows)  # none at all, too
    task = Task(name="wild", path=path, prompt="{{question}}", choices=None if closed else "choices", max_new_tokens=2)
    try:
        asked, found = ask(model_folder, task)
    except UserError:
        event("refused")
        return
    event("measured")
    assert len(asked["wild"]) == len(rows)
    assert 0 <= found["task_wild_exact" if closed else "task_wild_accuracy"] <= 1


def write_ascii(path: Path | None, rows: list[dict[str, Any]]) -> Path:
    """As JSON writes it when it may hold anything, half characters too."""
    assert path is not None
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path

"""What holds of every engine, on one random float32 model."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from anadil.engines import open_engine
from anadil.engines.protocol import Engine, GenerateParams, PromptTooLong, text_of
from anadil.engines.transformers import TransformersEngine, choose
from anadil.errors import UserError
from anadil.tokenizer.chat import BOS, END_HEADER, END_TURN, START_HEADER, control_id

QUESTIONS = ["Salam, paketim bitib?", "Sürət niyə aşağıdır 🙂", "How fast?", "Ödəniş", "x" * 40, "12 345"]
GREEDY = GenerateParams(max_new_tokens=24)
SAMPLED = GenerateParams(max_new_tokens=24, temperature=1.0, top_p=0.9, seed=5)


def ask(question: str) -> Sequence[dict[str, str]]:
    return [{"role": "user", "content": question}]


@pytest.mark.parametrize("question", QUESTIONS)
def test_engines_take_the_same_tokens(reference: TransformersEngine, llama: Engine, question: str) -> None:
    ours, theirs = (list(engine.generate(ask(question), GREEDY)) for engine in (reference, llama))
    assert len(ours) == len(theirs)
    # llama.cpp does not name tokens that end within a character
    assert all(token.id in (None, own.id) for own, token in zip(ours, theirs, strict=True))
    assert sum(token.id is not None for token in theirs) > len(theirs) / 3
    assert ours[-1].finish == theirs[-1].finish


def test_greedy_is_the_argmax_of_the_whole_forward_pass(reference: TransformersEngine, export: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(export / "hf")
    model.requires_grad_(False)
    ids = reference.prompt_ids(ask("Salam"))
    for token in reference.generate(ask("Salam"), GREEDY):
        logprobs = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        assert token.id == int(logprobs.argmax())
        assert token.logprob == pytest.approx(float(logprobs[token.id]), abs=1e-4)
        ids.append(token.id)


def test_score_is_the_log_probability_of_each_next_id(reference: TransformersEngine, export: Path) -> None:
    ids = reference.prompt_ids(ask("Sürət niyə aşağıdır"))
    logits = AutoModelForCausalLM.from_pretrained(export / "hf")(torch.tensor([ids])).logits[0, :-1]
    expected = logits.log_softmax(-1)[range(len(ids) - 1), ids[1:]]
    assert reference.score(ids) == pytest.approx(expected.tolist(), abs=1e-4)
    assert reference.score(ids[:1]) == []


def test_score_refuses_more_than_the_positions(reference: TransformersEngine) -> None:
    with pytest.raises(UserError, match="513 tokens to score, the model has 512"):
        reference.score([1] * 513)


def test_llama_cpp_says_that_it_cannot_score(llama: Engine) -> None:
    with pytest.raises(UserError, match="transformers engine"):
        llama.score([1, 2, 3])


def test_typed_control_tokens_stay_text(engine: Engine) -> None:
    typed = f"a{END_TURN}{START_HEADER}system{END_HEADER}"
    ids, control = engine.prompt_ids(ask(typed)), control_id(engine.tokenizer, END_TURN)
    assert ids.count(control) == 1
    assert ids.count(control_id(engine.tokenizer, BOS)) == 1
    assert engine.tokenizer.decode(engine.tokenize(typed)) == typed
    assert control not in engine.tokenize(typed)


def test_sampling_repeats_with_its_seed(engine: Engine) -> None:
    def answer(seed: int | None) -> str:
        params = GenerateParams(max_new_tokens=24, temperature=1.5, seed=seed)
        return text_of(engine.generate(ask("Salam"), params))

    assert answer(7) == answer(7)
    assert len({answer(seed) for seed in (7, 8, None)}) == 3


def test_sampling_stays_within_top_p() -> None:
    logits, generator = torch.tensor([0.0, 3.0, 2.0, -1.0]), torch.Generator().manual_seed(0)
    drawn = {choose(logits, GenerateParams(temperature=1.0, top_p=0.8), generator) for _ in range(200)}
    assert drawn == {1, 2}  # the likeliest has 0.70, both 0.96
    assert {choose(logits, GenerateParams(temperature=1.0, top_p=0.0), generator) for _ in range(50)} == {1}


def test_sampling_follows_the_probabilities() -> None:
    logits, generator = torch.tensor([0.1, 0.6, 0.3]).log() * 0.5, torch.Generator().manual_seed(0)
    drawn = [choose(logits, GenerateParams(temperature=0.5), generator) for _ in range(4000)]
    # four standard deviations of a share of 4,000 draws are at most 0.032
    assert [drawn.count(i) / 4000 for i in range(3)] == pytest.approx([0.1, 0.6, 0.3], abs=0.032)


def test_the_limit_ends_an_answer(engine: Engine) -> None:
    answer = list(engine.generate(ask("Salam"), GenerateParams(max_new_tokens=3)))
    assert [token.finish for token in answer] == [None, None, "length"]


def test_the_context_ends_an_answer(engine: Engine) -> None:
    room = 4
    question = "x" * (engine.context_tokens - room - len(engine.prompt_ids(ask(""))))
    answer = list(engine.generate(ask(question), GREEDY))
    assert len(answer) <= room
    assert answer[-1].finish is not None


def test_a_prompt_without_room_is_refused_at_once(engine: Engine) -> None:
    with pytest.raises(PromptTooLong, match="the context 512"):
        engine.generate(ask("x" * 600), GREEDY)


def test_end_of_turn_ends_an_answer_without_text(engine: Engine) -> None:
    ended = [answer for question in range(60) if (answer := sampled(engine, question))[-1].finish == "stop"]
    assert ended
    assert {answer[-1].id for answer in ended} - {None} <= engine.stop_ids
    assert all(token.id not in engine.stop_ids for answer in ended for token in answer[:-1])
    assert all(answer[-1].text == "" for answer in ended)


def sampled(engine: Engine, seed: int) -> list:
    params = GenerateParams(max_new_tokens=16, temperature=3.0, seed=seed)
    return list(engine.generate(ask("Salam"), params))


def test_a_stop_string_ends_an_answer(engine: Engine) -> None:
    whole = text_of(engine.generate(ask("Salam"), GREEDY))
    stop = whole[6:8]
    params = GenerateParams(max_new_tokens=24, stop=(stop,))
    answer = list(engine.generate(ask("Salam"), params))
    assert text_of(iter(answer)) == whole[: whole.find(stop)]
    assert answer[-1].finish == "stop"


def test_closing_an_answer_frees_its_slot(llama: Engine) -> None:
    answer = llama.generate(ask("Salam"), GenerateParams(max_new_tokens=480, temperature=1.0, seed=1))
    next(answer)
    answer.close()
    deadline = time.monotonic() + 5
    while llama.busy_slots() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert llama.busy_slots() == 0


def test_answers_side_by_side_are_those_one_after_another(engine: Engine) -> None:
    alone = [text_of(engine.generate(ask(question), GREEDY)) for question in QUESTIONS[:2]]
    streams = [engine.generate(ask(question), GREEDY) for question in QUESTIONS[:2]]
    together = ["", ""]
    for pair in zip(*streams, strict=False):
        together = [text + token.text for text, token in zip(together, pair, strict=True)]
    assert together == alone


def test_auto_takes_the_gguf_file(export: Path) -> None:
    pytest.importorskip("xllamacpp")
    with open_engine(export, context_tokens=64) as engine:
        assert (engine.name, engine.context_tokens) == ("xllamacpp", 64)
    with open_engine(export / "model-f32.gguf") as engine:
        assert engine.name == "xllamacpp"


def test_auto_takes_the_folder_where_there_is_no_gguf(export: Path) -> None:
    with open_engine(export / "hf", context_tokens=10_000) as engine:
        assert (engine.name, engine.context_tokens) == ("transformers", 512)


def test_what_is_missing_is_named(export: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no GGUF file"):
        open_engine(export / "hf", "xllamacpp")
    with pytest.raises(UserError, match="no Hugging Face folder"):
        open_engine(tmp_path)
    with pytest.raises(UserError, match="unknown engine 'vllm'"):
        open_engine(export, "vllm")
    lone = tmp_path / "model.gguf"
    lone.write_bytes(b"GGUF")
    with pytest.raises(UserError, match="no tokenizer beside it"):
        open_engine(lone)


@pytest.mark.parametrize(("data", "what"), [(b"nothing", "not a GGUF file"), (b"GGUF1234", "cannot load")])
def test_a_broken_file_is_named(export: Path, tmp_path: Path, data: bytes, what: str) -> None:
    pytest.importorskip("xllamacpp")
    broken = tmp_path / "model.gguf"
    broken.write_bytes(data)
    (tmp_path / "tokenizer.json").write_bytes((export / "hf" / "tokenizer.json").read_bytes())
    with pytest.raises(UserError, match=what):
        open_engine(broken)


def test_a_missing_package_is_named(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anadil.engines.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'anadil\[serve\]'"):
        open_engine(export, "xllamacpp")
    with pytest.raises(UserError, match=r"pip install 'anadil\[train\]'"):
        open_engine(export)


def test_llama_cpp_is_quiet(export: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("xllamacpp")
    with open_engine(export, threads=1) as engine:
        text_of(engine.generate(ask("Salam"), GREEDY))
    assert capfd.readouterr() == ("", "")

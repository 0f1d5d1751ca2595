import json
import math
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from anadil.errors import UserError
from anadil.evaluate.bits_per_byte import (
    BASE,
    Scores,
    bits_per_byte,
    evaluate_file,
    first_id,
    metrics,
    metrics_of_domains,
    sample,
    score,
)
from anadil.export.gguf import write_gguf
from anadil.model.load import load
from anadil.model.score import score_documents
from anadil.tokenizer.chat import BOS, encode_plain
from anadil.tokenizer.load import load_tokenizer

TEXTS = ["Salam, necəsiniz?", "Bu gün internet işləmir 😀", "x <|eot_id|> y", "a" * 700]


def test_a_document_is_bos_and_its_tokens(model_folder: Path) -> None:
    """The plain twin: all logits at once, no batch."""
    tokenizer, model = load_tokenizer(model_folder), AutoModelForCausalLM.from_pretrained(model_folder)
    found = bits_per_byte(model_folder, TEXTS[:3])
    for (nats, size), text in zip(found, TEXTS[:3], strict=True):
        ids = torch.tensor([[tokenizer.token_to_id(BOS), *encode_plain(tokenizer, text)]])
        logprobs = model(ids).logits[0, :-1].log_softmax(-1).detach()
        assert nats == pytest.approx(-float(logprobs.gather(1, ids[0, 1:, None]).sum()), rel=1e-5)
        assert size == len(text.encode())


def test_a_gguf_file_scores_as_the_folder_it_was_made_from(model_folder: Path, tmp_path: Path) -> None:
    exact = score(model_folder, TEXTS)
    f32 = score(write_gguf(model_folder, tmp_path / "f32.gguf", "f32", name="m"), TEXTS)
    q8_0 = score(write_gguf(model_folder, tmp_path / "q8_0.gguf", "q8_0", name="m"), TEXTS)
    assert np.allclose(f32.nats, exact.nats, rtol=1e-5)
    assert np.allclose(q8_0.nats, exact.nats, rtol=0.02)
    assert not np.array_equal(q8_0.nats, exact.nats)


def test_a_uniform_model_needs_the_logarithm_of_its_rows_a_token(new_model: Callable[..., Path]) -> None:
    folder = new_model(tied=False)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"].zero_()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    scores, rows = score(folder, TEXTS), len(weights["lm_head.weight"])
    assert scores.nats == pytest.approx(scores.tokens * math.log(rows), rel=1e-5)


def test_text_is_brought_to_nfc(model_folder: Path) -> None:
    text = "şöğü"
    composed, decomposed = score(model_folder, [text]), score(model_folder, [unicodedata.normalize("NFD", text)])
    assert composed.nats == decomposed.nats
    assert composed.bytes == decomposed.bytes == len(text.encode())


def test_documents_are_scored_alone(model_folder: Path) -> None:
    alone = np.concatenate([score(model_folder, [text]).nats for text in TEXTS])
    assert np.allclose(score(model_folder, TEXTS).nats, alone, rtol=1e-5)


def test_evaluate_file_on_jsonl(model_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"body": text}) + "\n" for text in [*TEXTS, ""]), encoding="utf-8")
    found, scores = evaluate_file(model_folder, file, "body"), score(model_folder, TEXTS)
    assert found["bits_per_byte"] == pytest.approx(scores.nats.sum() / math.log(2) / scores.bytes.sum())
    assert found["low95"] < found["bits_per_byte"] < found["high95"]
    assert (found["documents"], found["bytes"]) == (4, sum(len(text.encode()) for text in TEXTS))
    assert found["tokens_per_word"] == found["tokens"] / sum(len(text.split()) for text in TEXTS)


def test_blank_lines_separate_the_documents_of_a_text_file(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("bir iki\nüç\n\n\n\ndörd\r\n\r\nbeş\n", encoding="utf-8")
    found = evaluate_file(model_folder, tmp_path / "texts.txt")
    assert (found["documents"], found["bytes"]) == (3, len("bir iki\nüçdördbeş".encode()))


@pytest.mark.parametrize("content", ["", '{"text": ""}\n'])
def test_a_file_without_text_is_refused(model_folder: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "texts.jsonl").write_text(content)
    with pytest.raises(UserError, match="has no text"):
        evaluate_file(model_folder, tmp_path / "texts.jsonl")


def test_a_missing_file_is_named(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file at .*/nothing\.jsonl"):
        evaluate_file(model_folder, tmp_path / "nothing.jsonl")


def test_models_without_bos_begin_with_their_end_of_text(model_folder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(model_folder)
    assert first_id(model_folder, tokenizer) == tokenizer.token_to_id(BOS)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"], data["post_processor"] = [], None
    bare = type(tokenizer).from_str(json.dumps(data))
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": [7, 8]}))
    assert first_id(tmp_path, bare) == 7
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="names no token to begin a text with"):
        first_id(tmp_path, bare)


def test_a_sample_does_not_depend_on_order() -> None:
    texts = [f"document {number}" for number in range(50)]
    assert sample(texts, 10) == sample(reversed(texts), 10)
    assert set(sample(texts, 10)) < set(sample(texts, 20))
    assert sorted(sample(texts, 100)) == sorted(texts)


SIZES, TOKENS = np.array([100.0, 200.0, 400.0] * 8), np.array([30.0, 60.0, 90.0] * 8)


def scored(bits: float, documents: int = 24) -> Scores:
    """Documents of so many bits per byte each."""
    return Scores(SIZES * bits * math.log(2), SIZES, TOKENS).part(0, documents)


def test_metrics_compare_with_the_base_in_pairs_and_with_the_model_before() -> None:
    found = metrics("target", {BASE: scored(2.0), "pretrain_": scored(1.6), "": scored(1.5)}, rounds=100)
    values = {name: value for name, value in found.items() if not name.endswith(("low95", "high95"))}
    assert values == {
        "base_target_bits_per_byte": pytest.approx(2.0),
        "pretrain_target_bits_per_byte": pytest.approx(1.6),
        "pretrain_target_bits_per_byte_change": pytest.approx(-0.4),
        "target_bits_per_byte": pytest.approx(1.5),
        "target_bits_per_byte_change": pytest.approx(-0.5),
        "target_bits_per_byte_step": pytest.approx(-0.1),
        "target_bits_per_byte_items": 24,
    }
    assert found["target_bits_per_byte_change_high95"] == pytest.approx(-0.5)  # documents that are alike


def test_without_a_base_steps_alone_are_compared() -> None:
    found = metrics("target", {"transfer_": scored(2.0), "": scored(1.5)}, rounds=100)
    assert found["target_bits_per_byte_step"] == pytest.approx(-0.5)
    assert not any("base" in name or "change" in name for name in found)


def test_few_documents_have_no_interval() -> None:
    found = metrics("target", {BASE: scored(2.0, 19), "": scored(1.5, 19)}, rounds=100)
    assert found["target_bits_per_byte_change"] == pytest.approx(-0.5)
    assert not any(name.endswith(("low95", "high95")) for name in found)


def test_domains_are_parts_of_the_whole() -> None:
    domains = ["law"] * 15 + ["chat"] * 9
    whole = Scores(np.r_[SIZES[:15] * 1.0, SIZES[15:] * 3.0] * math.log(2), SIZES, TOKENS)
    found = metrics_of_domains("target", domains, whole, scored(2.0), rounds=100)
    assert found["target_bits_per_byte_of_law"] == pytest.approx(1.0)
    assert found["target_bits_per_byte_of_law_change"] == pytest.approx(-1.0)
    assert found["base_target_bits_per_byte_of_chat"] == pytest.approx(2.0)
    assert found["target_bits_per_byte_of_law_items"] + found["target_bits_per_byte_of_chat_items"] == 24
    assert metrics_of_domains("target", ["law"] * 24, whole, None, rounds=100) == {}


def test_by_hand_on_three_documents(new_model: Callable[..., Path]) -> None:
    """The whole formula: logits, softmax, the sum of all tokens but BOS, over bytes; in float64 on both sides."""
    folder = new_model()
    tokenizer, model = load_tokenizer(folder), load(folder, dtype=torch.float64)
    texts = TEXTS[:3]
    ids = [[tokenizer.token_to_id(BOS), *encode_plain(tokenizer, text)] for text in texts]
    ours = Scores(
        np.array(score_documents(model, ids)),
        np.array([float(len(text.encode())) for text in texts]),
        np.array([len(one) - 1.0 for one in ids]),
    )
    nats = 0.0
    for one in ids:
        logits = model(torch.tensor([one])).logits[0].detach()
        nats -= math.fsum(
            float(logits[place, token] - torch.logsumexp(logits[place], 0)) for place, token in enumerate(one[1:])
        )
    by_hand = nats / math.log(2) / sum(len(text.encode()) for text in texts)
    assert metrics("target", {"": ours}, rounds=100)["target_bits_per_byte"] == pytest.approx(by_hand, abs=1e-9)


def test_two_tokenizations_of_equal_likelihood_have_the_same_number_of_bits_per_byte() -> None:
    """Nothing but the likelihood and the bytes of the text enters: not how many tokens share them."""
    few, many = scored(1.7), Scores(SIZES * 1.7 * math.log(2), SIZES, TOKENS * 3)
    one, other = (metrics("target", {"": scores}, rounds=100) for scores in (few, many))
    assert one == other

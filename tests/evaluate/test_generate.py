"""evaluate.generate: an answer depends on its conversation alone, whatever is asked before it or beside it."""

import json
from pathlib import Path

import pytest

from anadil.engines.protocol import GenerateParams
from anadil.evaluate.generate import Answer, Place, Speaker, base_speaker, gguf_of
from anadil.export.gguf import write_gguf
from anadil.export.huggingface import export_huggingface
from anadil.progress import silent

ASKED = [
    [{"role": "user", "content": text}] for text in ("Tarifi necə dəyişim?", "Balans?", "Salam!", "Kart itib", "5G?")
]
PLACE = Place(threads=1, context_tokens=256)


@pytest.fixture(scope="module")
def export(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("xllamacpp", reason="llama.cpp runs the delivered file")
    folder = tmp_path_factory.mktemp("export")
    export_huggingface(model_folder, folder / "hf")
    write_gguf(model_folder, folder / "model-q8_0.gguf", "q8_0", name="m")
    return folder


def said(model: Path, asked: list[list[dict[str, str]]], place: Place = PLACE, tokens: int = 8) -> list[Answer]:
    with Speaker(model, place) as speaker:
        return speaker.answers(asked, tokens, "questions", silent())


@pytest.mark.parametrize("kind", ["gguf", "hf"])
def test_order_and_company_do_not_matter(export: Path, kind: str) -> None:
    model = export if kind == "gguf" else export / "hf"
    first = said(model, ASKED)
    assert said(model, ASKED[::-1]) == first[::-1]
    assert said(model, ASKED[1:2]) == first[1:2]
    assert said(model, [[{"role": "system", "content": "Qısa cavab ver."}, *ASKED[0]]]) != first[:1]
    assert all(answer.text for answer in first)


def test_engines_side_by_side_answer_as_one_does(export: Path) -> None:
    many = Place(threads=3, context_tokens=256)
    with Speaker(export, many) as speaker:
        assert len(speaker._engines) == 3
        assert speaker.answers(ASKED * 3, 8, "questions", silent()) == said(export, ASKED * 3)
    with Speaker(export / "hf", many) as speaker:
        assert len(speaker._engines) == 1


def test_what_never_ends_is_cut_and_says_so(export: Path) -> None:
    answers = said(export, ASKED, tokens=3)
    assert not any(answer.stopped for answer in answers)


def test_a_conversation_that_is_too_long_has_no_answer_and_the_next_one_has(export: Path) -> None:
    long, short = said(export, [[{"role": "user", "content": "uzun " * 400}], ASKED[0]])
    assert long == Answer("", False)
    assert short == said(export, ASKED[:1])[0]


def test_a_text_is_continued_outside_any_conversation(export: Path) -> None:
    with Speaker(export, PLACE) as speaker:
        engine = speaker._engines[0]
        first = engine.tokenizer.token_to_id("<|begin_of_text|>")
        found = speaker.continued("Salam", first, 6)
        params = GenerateParams(max_new_tokens=6, temperature=0.0)
        assert found == "".join(t.text for t in engine.generate_ids([first, *engine.tokenize("Salam")], params))
        assert found


def test_the_base_runs_from_a_gguf_of_its_own_that_does_not_stay(
    export: Path, model_folder: Path, tmp_path: Path
) -> None:
    delivered = said(export, ASKED)
    with base_speaker(model_folder, "xllamacpp", export, tmp_path, PLACE) as base:
        assert base is not None
        assert base.name == "xllamacpp"
        assert base.answers(ASKED, 8, "base", silent()) == delivered  # the same weights, here
    assert list(tmp_path.iterdir()) == []
    with base_speaker(export / "hf", "transformers", export, tmp_path, PLACE) as base:
        assert base is not None
        assert base.name == "transformers"


def test_a_base_without_chat_tokens_is_not_asked(export: Path, model_folder: Path, tmp_path: Path) -> None:
    base = tmp_path / "bare"
    base.mkdir()
    data = json.loads((model_folder / "tokenizer.json").read_text())
    data["added_tokens"] = data["added_tokens"][:2]
    (base / "tokenizer.json").write_text(json.dumps(data))
    with base_speaker(base, "xllamacpp", export, tmp_path, PLACE) as found:
        assert found is None


def test_what_is_served_is_what_is_found(export: Path, tmp_path: Path) -> None:
    assert gguf_of(export) == export / "model-q8_0.gguf"
    assert gguf_of(tmp_path) is None

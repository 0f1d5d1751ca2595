"""Bases of other kinds: replaced, with their control tokens; for what builds on a base a clear reason why not."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from anadil.errors import UserError
from anadil.tokenizer.foreign import read_foreign
from anadil.tokenizer.load import load_tokenizer, read_vocabulary
from anadil.tokenizer.surgery import Kept, Size, build, pre_tokenizer_of

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
STOP = "<|stop|>"


def sentencepiece(texts):
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.ByteFallback()
    special = ["<unk>", "<s>", STOP]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=500, special_tokens=special + BYTES))
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][:3]
    return Tokenizer.from_str(json.dumps(data))


def unigram(texts):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", STOP]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def wordpiece(texts):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[CLS]"]))
    tokenizer.add_special_tokens([AddedToken(STOP, special=True)])
    return tokenizer


KINDS = {"SentencePiece BPE": sentencepiece, "Unigram": unigram, "WordPiece": wordpiece}


@pytest.fixture(scope="module", params=KINDS)
def foreign(request, tmp_path_factory, old_texts):
    folder = tmp_path_factory.mktemp("foreign")
    KINDS[request.param](old_texts).save(str(folder / "tokenizer.json"))
    return request.param, folder


@pytest.mark.parametrize("mode", ["keep", "extend", "inplace"])
def test_what_builds_on_the_base_says_why_not(foreign, tmp_path, mode, new_texts, counts_of):
    kind, folder = foreign
    with pytest.raises(UserError, match=kind) as caught:
        build(folder, mode, counts_of(new_texts), [], Size(new_tokens=20), tmp_path / "out")
    assert f"'{mode}'" in caught.value.what
    assert "not strings of bytes" in caught.value.what
    assert "replace" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_any_base_is_replaced_and_its_control_tokens_go_along(foreign, tmp_path, old_texts, new_texts, counts_of):
    _, folder = foreign
    assert pre_tokenizer_of(folder) == pre_tokenizer_of(None)
    kept = [Kept("old", counts_of(old_texts), 1)]
    done = build(folder, "replace", counts_of(new_texts), kept, Size(vocab_size=450), tmp_path)
    before, after = read_foreign(folder), read_vocabulary(tmp_path)
    assert (done.vocab_size, done.source_tokens, done.freed) == (450, before.size, before.count)
    assert before.size == max(load_tokenizer(folder).get_vocab().values()) + 1
    new = dict(done.new)
    assert sorted(new) == list(range(450))
    assert all(pieces and max(pieces) < before.size for pieces in new.values())
    assert new[after.added_ids[STOP]] == [before.added_ids[STOP]]
    tokenizer = load_tokenizer(tmp_path)
    for text in (*old_texts[:3], *new_texts[:3], "🙂 \x00\n é"):
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=True) == text


def test_parts_of_characters_are_spelled_by_the_bytes_of_the_base(tmp_path, old_texts):
    sentencepiece(old_texts).save(str(tmp_path / "tokenizer.json"))
    before = read_foreign(tmp_path)
    names = {identifier: name for name, identifier in before.tokenizer.get_vocab().items()}
    assert [names[piece] for piece in before.spell("ÉĻ"[:1])] == ["<0xC9>"]
    assert "".join(names[piece] for piece in before.spell("Ġdo")).strip("▁") == "do"

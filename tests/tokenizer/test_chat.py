import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anadil.errors import UserError
from anadil.tokenizer.chat import CONTROL_TOKENS, control_id, encode_plain
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.template import Template

TEXT = st.text(max_size=30).filter(lambda text: "<|" not in text)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT}),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def tokenizer(base):
    return load_tokenizer(base)


@pytest.fixture(scope="module", params=["alone", "in a llama folder"])
def auto(request, base, tmp_path_factory):
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("model")
    shutil.copytree(base, folder, dirs_exist_ok=True)
    if request.param != "alone":
        (folder / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 600}), encoding="utf-8")
    return AutoTokenizer.from_pretrained(folder)


@settings(max_examples=60, deadline=None)
@given(messages=MESSAGES, prompt=st.booleans())
def test_the_template_and_the_renderer_give_the_same_ids(tokenizer, auto, messages, prompt):
    ids = auto.apply_chat_template(messages, add_generation_prompt=prompt, tokenize=True, return_dict=False)
    assert Template(tokenizer).render(messages, prompt).ids == ids


def test_the_folder_loads_with_its_names_and_puts_bos(auto, tokenizer):
    assert (auto.bos_token, auto.eos_token) == ("<|begin_of_text|>", "<|end_of_text|>")
    assert auto.pad_token == "<|finetune_right_pad_id|>"
    assert len(auto) == 600
    assert auto("bad  idea ").input_ids == [auto.bos_token_id, *encode_plain(tokenizer, "bad  idea ")]
    assert auto.decode(auto("bad , idea 's").input_ids, skip_special_tokens=True) == "bad , idea 's"


@pytest.mark.parametrize("own_setting", [True, False])
@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.one_of(st.sampled_from(CONTROL_TOKENS), st.text(max_size=5)), max_size=6))
def test_text_never_becomes_control_ids(tokenizer, own_setting, parts):
    controls = {control_id(tokenizer, name) for name in CONTROL_TOKENS}
    tokenizer.encode_special_tokens = own_setting
    text = "".join(parts)
    ids = encode_plain(tokenizer, text)
    assert not controls.intersection(ids)
    assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert tokenizer.encode_special_tokens == own_setting
    shown = Template(tokenizer).render([{"role": "user", "content": text}]).ids
    assert [control_id(tokenizer, "<|eot_id|>")] == [i for i in shown if i in controls][3:]


@settings(max_examples=60, deadline=None)
@given(messages=MESSAGES)
def test_the_mask_is_what_the_assistant_says(tokenizer, messages):
    rendered = Template(tokenizer).render(messages)
    ids, mask = rendered.ids, rendered.learned
    said = [i for i, is_said in zip(ids, mask, strict=True) if is_said]
    turns = [m["content"].strip() + "<|eot_id|>" for m in messages if m["role"] == "assistant"]
    assert tokenizer.decode(said, skip_special_tokens=False) == "".join(turns)


@settings(max_examples=60, deadline=None)
@given(messages=MESSAGES, answer=TEXT)
def test_a_prompt_is_the_beginning_of_the_answered_conversation(tokenizer, messages, answer):
    prompt = Template(tokenizer).render(messages, add_generation_prompt=True)
    whole = Template(tokenizer).render([*messages, {"role": "assistant", "content": answer}])
    size = len(prompt.ids)
    assert (whole.ids[:size], whole.learned[:size]) == (prompt.ids, prompt.learned)
    assert all(whole.learned[size:])


def test_unknown_roles_and_tokenizers_are_named(tokenizer):
    from tokenizers import Tokenizer, models

    with pytest.raises(UserError, match="'admin'"):
        Template(tokenizer).render([{"role": "admin", "content": "x"}])
    with pytest.raises(UserError, match="no control token after an answer"):
        Template(Tokenizer(models.BPE()))

"""Llama 3's published chat format: one renderer to ids, and our own Jinja text that gives the same ids.

Text of users, corpora and passages never becomes control ids here: control ids are put by their number, and
what stands between them is encoded as plain text. The Jinja template, being text, cannot promise that.
"""

from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer

from anadil.errors import UserError

BOS = "<|begin_of_text|>"
EOS = "<|end_of_text|>"
START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
END_TURN = "<|eot_id|>"
PAD = "<|finetune_right_pad_id|>"
CONTROL_TOKENS = (BOS, EOS, START_HEADER, END_HEADER, END_TURN, PAD)
ROLES = ("system", "user", "assistant")

CHAT_TEMPLATE = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{{- message['content'] | trim }}"
    "{{- '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{%- endif %}"
)


def encode_plain(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of `text` alone: no BOS, and a typed control token is encoded as the characters it is made of."""
    before = tokenizer.encode_special_tokens
    if not before:
        tokenizer.encode_special_tokens = True
    try:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)
    finally:
        if not before:
            tokenizer.encode_special_tokens = before


def control_id(tokenizer: Tokenizer, name: str) -> int:
    """Id of a control token; UserError if the tokenizer has none of that name."""
    identifier = tokenizer.token_to_id(name)
    if identifier is None:
        hint = "build the tokenizer with `anadil tokenizer build`, which adds the control tokens"
        raise UserError(f"the tokenizer has no control token {name}", hint=hint)
    return int(identifier)


def render_ids(
    tokenizer: Tokenizer,
    messages: Sequence[Mapping[str, str]],
    add_generation_prompt: bool = False,
) -> tuple[list[int], list[bool]]:
    """Ids of a conversation, and a mask of the same length: True for what the assistant says, its end of turn too.

    `messages` have `role` (system, user, assistant) and `content`; white space around content is dropped, as
    the template does. A prompt with `add_generation_prompt` is a prefix of the conversation with its answer.
    """
    ids, mask = [control_id(tokenizer, BOS)], [False]
    for message in messages:
        role = message["role"]
        if role not in ROLES:
            raise UserError(f"unknown role {role!r} in a conversation", hint=f"use one of {', '.join(ROLES)}")
        header = _header_ids(tokenizer, role)
        body = [*encode_plain(tokenizer, message["content"].strip()), control_id(tokenizer, END_TURN)]
        ids += header + body
        mask += [False] * len(header) + [role == "assistant"] * len(body)
    if add_generation_prompt:
        header = _header_ids(tokenizer, "assistant")
        ids += header
        mask += [False] * len(header)
    return ids, mask


def _header_ids(tokenizer: Tokenizer, role: str) -> list[int]:
    start, end = control_id(tokenizer, START_HEADER), control_id(tokenizer, END_HEADER)
    return [start, *encode_plain(tokenizer, role), end, *encode_plain(tokenizer, "\n\n")]

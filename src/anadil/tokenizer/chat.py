"""The control tokens of Llama 3's published chat format, and our own Jinja text of it; `template.py` renders it."""

from tokenizers import Tokenizer

from anadil.errors import UserError

BOS = "<|begin_of_text|>"
EOS = "<|end_of_text|>"
START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
END_TURN = "<|eot_id|>"
PAD = "<|finetune_right_pad_id|>"
CONTROL_TOKENS = (BOS, EOS, START_HEADER, END_HEADER, END_TURN, PAD)
ROLES = ("system", "user", "assistant", "tool")

CHAT_TEMPLATE = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + ('ipython' if message['role'] == 'tool' else message['role']) }}"
    "{{- '<|end_header_id|>\\n\\n' + ((message['content'] or '') | trim) }}"
    "{%- for call in message['tool_calls'] or [] %}"
    "{%- set given = call['function']['arguments'] %}"
    "{{- '{\"name\": \"' + call['function']['name'] + '\", \"parameters\": ' }}"
    "{{- (given if given is string else given | tojson) + '}' }}"
    "{%- endfor %}"
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

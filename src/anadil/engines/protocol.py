"""What every engine does, and the parts that are the same in all: the prompt, the text of tokens, stop strings."""

import codecs
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tokenizers import Tokenizer

from anadil.errors import UserError
from anadil.tokenizer.chat import EOS, control_id, encode_plain
from anadil.tokenizer.load import load_tokenizer, to_bytes
from anadil.tokenizer.template import template_of

FinishReason = Literal["stop", "length"]
Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Token:
    """One generated token and the text that became certain with it.

    `text` is whole characters: empty for a token that ends within a character, and for control tokens. `id` is
    None where the engine does not say it, `logprob` (nats, before temperature) likewise. The last token of an
    answer, and no other, has a `finish`: "stop" for the end of turn (which it is itself) or a stop string,
    "length" where the limit or the context ended it.
    """

    text: str
    id: int | None
    logprob: float | None = None
    finish: FinishReason | None = None


@dataclass(frozen=True)
class GenerateParams:
    """How to generate. `temperature` 0 always takes the likeliest token; `seed` None is another one every time.

    `cache_prompt`: what an earlier conversation began with in the same way need not be computed again; the last bits
    of the arithmetic then depend on it.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    cache_prompt: bool = True


class PromptTooLong(UserError):
    """The conversation leaves no room for an answer."""


class Engine(ABC):
    """A loaded model. Safe to use from several threads; `slots` answers at a time make sense.

    The iterator of `generate` holds a place in the engine until it is exhausted or closed.
    """

    name: str
    context_tokens: int
    slots: int = 1

    def __init__(self, tokenizer_folder: Path):
        self.tokenizer: Tokenizer = load_tokenizer(tokenizer_folder)
        self.template = template_of(tokenizer_folder, self.tokenizer)
        self.stop_ids = frozenset({self.template.end_id, control_id(self.tokenizer, EOS)})

    @abstractmethod
    def generate_ids(self, ids: Sequence[int], params: GenerateParams) -> Generator[Token, None, None]:
        """Continue a prompt of token ids that fits the context, without regard to `params.stop`."""

    @abstractmethod
    def score(self, ids: Sequence[int]) -> list[float]:
        """Log-probabilities in nats of `ids[1:]`, each given all ids before it."""

    @abstractmethod
    def close(self) -> None:
        """Free the model. Closing twice is allowed."""

    def prompt_ids(self, messages: Messages) -> list[int]:
        """The ids that `generate` starts from; control tokens typed in the messages stay text."""
        return self.template.render(messages, add_generation_prompt=True).ids

    def longest_prompt(self, max_new_tokens: int) -> int:
        """Tokens that a conversation may have so that it leaves room for the answer, or a quarter for a part of it."""
        return self.context_tokens - min(max_new_tokens, self.context_tokens // 4)

    def tokenize(self, text: str) -> list[int]:
        """Ids of plain text: no BOS, typed control tokens stay text."""
        return encode_plain(self.tokenizer, text)

    def generate(self, messages: Messages, params: GenerateParams | None = None) -> Generator[Token, None, None]:
        """Answer a conversation token by token; raises PromptTooLong at once if it does not fit."""
        params = params or GenerateParams()
        ids = self.prompt_ids(messages)
        room = self.context_tokens - len(ids)
        if room < 1:
            what = f"the conversation has {len(ids)} tokens, the context {self.context_tokens}"
            raise PromptTooLong(what, hint="shorten it, or raise serve.context_tokens")
        params = replace(params, max_new_tokens=min(params.max_new_tokens, room))
        return cut_at_stop(self.generate_ids(ids, params), params.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Detokenizer:
    """Text of tokens as they come, never half a character; bytes that are no UTF-8 become U+FFFD."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._added = dict(tokenizer.get_added_tokens_decoder())
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, identifier: int) -> str:
        """The characters that are complete with this token."""
        if (added := self._added.get(identifier)) is not None:
            return "" if added.special else self._decoder.decode(added.content.encode())
        piece = self._tokenizer.id_to_token(identifier)
        return "" if piece is None else self._decoder.decode(to_bytes(piece))


def cut_at_stop(tokens: Generator[Token, None, None], stop: Sequence[str]) -> Generator[Token, None, None]:
    """End an answer before the first stop string; text that may be the start of one is held back."""
    stop = [text for text in stop if text]
    held = ""
    with closing(tokens):
        for token in tokens:
            held += token.text
            ends = [found for text in stop if (found := held.find(text)) >= 0]
            if ends:
                yield replace(token, text=held[: min(ends)], finish="stop")
                return
            keep = 0 if token.finish else _possible_start(held, stop)
            yield replace(token, text=held[: len(held) - keep])
            held = held[len(held) - keep :]


def _possible_start(text: str, stop: Sequence[str]) -> int:
    """Length of the longest end of `text` with which a stop string begins."""
    longest = max((len(string) - 1 for string in stop), default=0)
    sizes = range(min(longest, len(text)), 0, -1)
    return next((size for size in sizes if any(s.startswith(text[-size:]) for s in stop)), 0)


def text_of(tokens: Iterator[Token]) -> str:
    """The whole answer."""
    return "".join(token.text for token in tokens)

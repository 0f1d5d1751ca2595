"""Chat templates: any Jinja text becomes ids, so that what people type stays text and it is known who said what.

A template is text, and text cannot say which of its control tokens are meant. So what is said goes through it between
marks (`marks.py`): there it is encoded as plain text, and control tokens are ids only in what the template itself
writes. An answer begins where the prompt that asks for it ends, and ends with the first control token after the last
of its marks.
"""

import json
import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from anadil.errors import UserError
from anadil.tokenizer.chat import BOS, CHAT_TEMPLATE, CONTROL_TOKENS, EOS, ROLES, control_id, encode_plain
from anadil.tokenizer.marks import Marked, Message, as_written, between, choose_marks, control_tokens, mapped, strings

FILE = "chat_template.jinja"
OURS = 'leave sft.template out: "llama3" is the format of Llama 3 in our own text'
_PROBE = [{"role": "user", "content": "\n Salam \u0259 1 \n"}, {"role": "assistant", "content": "\n Salam \u0259 2 \n"}]


@dataclass(frozen=True)
class Rendered:
    """Ids of a conversation, and which of them the assistant said, its end of turn among them."""

    ids: list[int]
    learned: list[bool]


class Template:
    """A chat template with the tokenizer whose control tokens it writes.

    Raises UserError for a template that cannot be read or rendered, that changes what is said, that begins with BOS
    twice, or after whose answers no control token says that they end.
    """

    def __init__(self, tokenizer: Tokenizer, text: str = CHAT_TEMPLATE, *, bos: str = BOS, eos: str = EOS):
        self.tokenizer, self.text = tokenizer, text
        added = tokenizer.get_added_tokens_decoder().values()
        special = {token.content for token in added if token.special or token.content in CONTROL_TOKENS}
        names = "|".join(map(re.escape, sorted(special, key=len, reverse=True)))
        self._control, self._bos = re.compile(f"({names})" if names else "((?!))"), bos
        self._names = {"bos_token": bos, "eos_token": eos}
        self._template = parse(text)
        self._end = self._control
        self.end_id = self._find_end()

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> Rendered:
        """Ids of a conversation; those of a prompt are the beginning of those of the conversation with its answer.

        Raises UserError where the template fails, or does to this conversation what it must not (see above).
        """
        self._check(messages)
        marks = choose_marks(messages)
        whole, said = self._marked(messages, add_generation_prompt, marks)
        counts = [len(strings(message)) for message in messages]
        spans = list[tuple[int, int]]()
        for number, message in enumerate(messages):
            if message["role"] == "assistant":
                prompt = self.text_of(said[:number], True)
                if not whole.text.startswith(prompt):
                    what = f"the chat template writes another text before message {number + 1} than it asks for it with"
                    raise UserError(what, hint=OURS)
                last = max(len(prompt), whole.behind(sum(counts[: number + 1])))
                spans.append((len(prompt), self._end_of_turn(whole, last)))
        return self._ids(whole, spans)

    def _check(self, messages: Sequence[Message]) -> None:
        """What nobody said, such as a role, must hold no control token: the template writes it as its own."""
        for message in messages:
            if message["role"] not in ROLES:
                what = f"unknown role {message['role']!r} in a conversation"
                raise UserError(what, hint=f"use one of {', '.join(ROLES)}")
            if found := self._control.search(json.dumps(mapped(message, lambda _: ""), ensure_ascii=False)):
                what = f"a conversation has the control token {found.group()} in the name of a tool or the like"
                raise UserError(what, hint="give it another name")

    def pieces(self, rendered: Rendered) -> list[tuple[str, bool]]:
        """The text of a rendered conversation with what is learned of it, for people to look at."""
        found: list[tuple[list[int], bool]] = []
        for identifier, learned in zip(rendered.ids, rendered.learned, strict=True):
            if not found or found[-1][1] != learned:
                found.append(([], learned))
            found[-1][0].append(identifier)
        return [(self.tokenizer.decode(ids, skip_special_tokens=False), learned) for ids, learned in found]

    def _marked(self, messages: Sequence[Message], prompt: bool, marks: str) -> tuple[Marked, list[Message]]:
        """The conversation with its marks, and the messages that give it: without the white space that is cut off."""
        plain, given = self.text_of(messages, prompt), [text for message in messages for text in strings(message)]
        said = between(messages, given, marks)
        whole = Marked(self.text_of(said, prompt), marks)
        written = as_written(whole, given, plain)
        if written is not None and written != given:
            said = between(messages, written, marks)
            whole = Marked(self.text_of(said, prompt), marks)
        if written is None or whole.plain != plain:
            raise UserError("the chat template changes, repeats or leaves out what is said", hint=OURS)
        return whole, said

    def text_of(self, messages: Sequence[Message], prompt: bool) -> str:
        """The conversation as text, in which nobody can tell a typed control token from a meant one."""
        try:
            return self._template.render(
                messages=messages, tools=None, documents=None, add_generation_prompt=prompt, **self._names
            )
        except Exception as error:  # a template can raise anything
            lines = [
                frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"
            ]
            where = f"the chat template, line {lines[-1]}" if lines else "the chat template"
            raise UserError(f"{where}: {error}", hint=OURS) from error

    def _ids(self, whole: Marked, answers: Sequence[tuple[int, int]]) -> Rendered:
        ids, learned = list[int](), list[bool]()

        def add(some: Sequence[int], start: int) -> None:
            ids.extend(some)
            learned.extend([any(begin <= start < end for begin, end in answers)] * len(some))

        for segment in whole.segments:
            if segment.is_said:
                add(encode_plain(self.tokenizer, segment.text), segment.start)
                continue
            for start, text in _cut(segment.text, segment.start, [begin for begin, _ in answers]):
                for at, piece, is_control in control_tokens(text, self._control):
                    add(
                        [control_id(self.tokenizer, piece)] if is_control else encode_plain(self.tokenizer, piece),
                        start + at,
                    )
        return Rendered(ids, learned)

    def _end_of_turn(self, whole: Marked, start: int) -> int:
        """Behind the first end token from `start` on, which lies in the template's own text: a tool without arguments
        may be called in control tokens. Else behind the first control token; or that text's end."""
        segment = next(one for one in reversed(whole.segments) if one.start <= start)
        start -= segment.start
        found = self._end.search(segment.text, start) or self._control.search(segment.text, start)
        return segment.start + (found.end() if found else len(segment.text))

    def _check_prompt(self) -> None:
        """The token that opens a turn must be in what asks for an answer, or the model would have to open its own."""
        marks = choose_marks(_PROBE)
        whole, prompt = (self._marked(some, asks, marks)[0] for some, asks in ((_PROBE, False), (_PROBE[:1], True)))
        before_user, _, before_answer = whole.segments[:3]
        opens = [name for name in self._control.findall(before_user.text) if name != self._bos][:1]
        written = whole.text[len(prompt.text) : before_answer.start + len(before_answer.text)]
        if set(opens) & set(self._control.findall(written)):
            what = f"the chat template asks for an answer without the {written!r} that it writes before one"
            raise UserError(what, hint=f"let it end so with add_generation_prompt, or: {OURS}")

    def _find_end(self) -> int:
        rendered = self.render(_PROBE)
        last = max((place for place, learned in enumerate(rendered.learned) if learned), default=-1)
        name = self.tokenizer.id_to_token(rendered.ids[last]) if rendered.ids else None
        if not name or not self._control.fullmatch(name):
            what = "the chat template writes no control token after an answer, so that none would end"
            shown = self.tokenizer.decode(rendered.ids[-8:], skip_special_tokens=False)
            raise UserError(f"{what} (it ends in {shown!r})", hint=OURS)
        self._check_prompt()
        bos = self.tokenizer.token_to_id(self._bos)
        if bos is not None and rendered.ids.count(bos) > 1 and bos != rendered.ids[last]:
            raise UserError(f"the chat template writes {self._bos} more than once", hint=OURS)
        self._end = re.compile(re.escape(name))
        return rendered.ids[last]


def parse(text: str) -> jinja2.Template:
    """A template's text as Jinja; UserError with the line if it is none."""
    try:
        return _environment().from_string(text)
    except TemplateSyntaxError as error:
        raise UserError(f"the chat template, line {error.lineno}: {error.message}", hint=OURS) from error


def template_of(folder: Path, tokenizer: Tokenizer, text: str | None = None) -> Template:
    """The template that a model folder holds, ours where it has none; or `text`, with the names of that folder."""
    settings, text = _settings(folder), template_text(folder) if text is None else text
    names = {key: _name(settings.get(f"{key}_token")) for key in ("bos", "eos")}
    known = {key: name for key, name in names.items() if name and tokenizer.token_to_id(name) is not None}
    return Template(tokenizer, CHAT_TEMPLATE if text is None else text, **known)


def template_text(folder: Path) -> str | None:
    """The template in a model folder, in a file of its own or in the tokenizer's settings; None without one."""
    if (folder / FILE).is_file():
        return (folder / FILE).read_text(encoding="utf-8")
    text = _settings(folder).get("chat_template")
    return text if isinstance(text, str) else None


def _settings(folder: Path) -> dict[str, Any]:
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _name(value: Any) -> str | None:
    return value.get("content") if isinstance(value, dict) else value


def _cut(text: str, start: int, places: Sequence[int]) -> list[tuple[int, str]]:
    """The text, which begins at `start`, in pieces that end at the places."""
    cuts = sorted({start, start + len(text), *(place for place in places if start < place < start + len(text))})
    return [(a, text[a - start : b - start]) for a, b in pairwise(cuts)]


class _Generation(Extension):
    """`{% generation %}`, with which some templates mark answers for transformers; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012  as the base class has it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    """As transformers renders templates (transformers.utils.chat_template_utils)."""
    found = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    found.filters["tojson"] = _as_json
    found.globals["raise_exception"] = _fail
    found.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return found


def _as_json(value: Any, ensure_ascii: bool = False, **settings: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **settings)


def _fail(message: str) -> None:
    raise TemplateError(message)

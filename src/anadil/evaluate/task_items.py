"""The questions of a benchmark, made of rows of any form, and checked before a model is loaded."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from anadil.corpus.language import TYPED, load_detector
from anadil.dialogues.read import read_rows
from anadil.errors import UserError
from anadil.recipe import Task

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PASSAGE = 200
"""Characters from which a passage says what language it is in; short questions are taken together."""
_LIKELY = 0.6
"""Mean probability of another language, from which on a file is not in the one stated."""
_HINT_FORM = "write an index from 0, a letter from A, or the text of a choice: the same in all rows"

Row = Mapping[str, Any]
Found = tuple[str, list[str], Any]
"""Of a row its place, its choices, and what it says is right."""


@dataclass(frozen=True)
class Item:
    """A question. Closed-book it has no `choices`, and `accepted` are the answers that count as right.

    `right` are the places of the right choices, nearly always one.
    """

    prompt: str
    choices: tuple[str, ...] = ()
    right: tuple[int, ...] = ()
    accepted: tuple[str, ...] = ()


def read_items(task: Task) -> tuple[list[Item], list[Item]]:
    """The questions of a task with rows of its own, and its examples (`shots`).

    UserError names file, row and value of what is no question, or of an example that is also asked.
    """
    assert task.path is not None
    maker = _Maker(task)
    asked = list(maker.read(task.path, task.most_items or None))
    shown = list(maker.read(task.shots_path, task.shots)) if task.shots_path else []
    if len(shown) < task.shots:
        what = f"{task.shots_path} has {len(shown)} rows, shots = {task.shots} needs as many"
        raise UserError(what, hint="add rows to it, or set fewer shots")
    items = maker.items([*asked, *shown])
    first_at = {(item.prompt, item.choices): place for (place, *_), item in zip(asked, items, strict=False)}
    for (place, *_), item in zip(shown, items[len(asked) :], strict=True):
        if same := first_at.get((item.prompt, item.choices)):
            what = f"{place}: this example is the question of {same}; its answer would stand in the prompt"
            raise UserError(what, hint="take examples from rows that are not asked")
    return items[: len(asked)], items[len(asked) :]


class _Maker:
    """Fills in the templates of a task."""

    def __init__(self, task: Task):
        self._task = task
        self._prompt = _compile("prompt", task.prompt, task)
        listed = task.choices if isinstance(task.choices, list) else []
        self._choices = [_compile("choices", text, task) for text in listed]
        self._answer = _compile("answer", task.answer, task) if "{{" in task.answer or "{%" in task.answer else None

    def read(self, path: Path, most: int | None) -> Iterator[tuple[str, str, list[str], Any]]:
        """Place, prompt, choices and raw answer of each row; UserError for a file without rows."""
        place = ""
        for place, row in islice(read_rows(path), most):
            prompt = _filled(self._prompt, row, place, "prompt")
            if not prompt.strip():
                raise UserError(f"{place}: the prompt is empty", hint="fill the fields that it is made of")
            choices = [] if self._task.choices is None else self._texts(row, place)
            raw = _filled(self._answer, row, place, "answer") if self._answer else _field(row, self._task.answer, place)
            yield place, prompt, choices, raw
        if not place:
            raise UserError(f"{path} has no rows", hint=f"add questions, or leave out the task {self._task.name}")

    def _texts(self, row: Row, place: str) -> list[str]:
        if isinstance(self._task.choices, list):
            found: Any = [_filled(template, row, place, "choices") for template in self._choices]
        else:
            found = _field(row, str(self._task.choices), place)
        if not isinstance(found, list):
            hint = 'name a field with a list, or give a list of templates: choices = ["{{option_a}}", "{{option_b}}"]'
            raise UserError(f"{place}: {self._task.choices} is no list but {_brief(found)}", hint=hint)
        if len(found) < 2:
            raise UserError(f"{place}: {len(found)} choices of at least two", hint="mend the row, or leave it out")
        return [_text(choice, place, "a choice") for choice in found]

    def items(self, rows: Sequence[tuple[str, str, list[str], Any]]) -> list[Item]:
        """UserError for the first row whose answer is none."""
        if self._task.choices is None:
            return [Item(prompt, accepted=_accepted(raw, place)) for place, prompt, _, raw in rows]
        right = right_choices([(place, choices, raw) for place, _, choices, raw in rows])
        return [Item(prompt, tuple(choices), (one,)) for (_, prompt, choices, _), one in zip(rows, right, strict=True)]


def _shown(value: Any) -> Any:
    """Nothing is asked about a field that is null: it would read `None`."""
    if value is None:
        raise ValueError("a field that it shows is null")
    return value


_JINJA = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, finalize=_shown)


def _compile(key: str, text: str, task: Task) -> jinja2.Template:
    try:
        return _JINJA.from_string(text)
    except jinja2.TemplateError as error:
        what = f"task {task.name}: {key} = {text!r} is no Jinja template: {error}"
        raise UserError(what, hint='fields stand in double braces: "{{question}}"') from error


def _filled(template: jinja2.Template, row: Row, place: str, key: str) -> str:
    try:
        text = template.render(row)
    except jinja2.UndefinedError as error:
        raise UserError(f"{place}: {key}: {error}", hint=f"the row has {_fields(row)}") from error
    except Exception as error:  # whatever a template does to a value: of the wrong type, divided by nought
        what = f"{place}: {key} cannot be filled in: {error or type(error).__name__}"
        raise UserError(what, hint=f"mend the row or the template; the row has {_fields(row)}") from error
    return _whole(text, place, key)


def _field(row: Row, name: str, place: str) -> Any:
    if name not in row:
        raise UserError(f"{place}: no field {name!r}", hint=f"the row has {_fields(row)}")
    return row[name]


def _fields(row: Row) -> str:
    return ", ".join(map(str, row)) or "no fields"


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: Any, place: str, what: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not str(value).strip():
        raise UserError(f"{place}: {what} is {_brief(value)}, no text", hint="mend the row, or leave it out")
    return _whole(str(value), place, what)


def _whole(text: str, place: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{place}: {what} holds half of a surrogate pair", hint="write it in UTF-8") from error
    return text


def _accepted(raw: Any, place: str) -> tuple[str, ...]:
    texts = raw if isinstance(raw, list) else [raw]
    if not texts:
        raise UserError(f"{place}: no answer is given", hint="write the right answer, or a list of right ones")
    return tuple(_text(text, place, "the answer") for text in texts)


def right_choices(rows: Sequence[Found]) -> list[int]:
    """Which choice each row says is right: an index, a letter or a text, whichever all of them can be read as.

    UserError for a row that cannot, and where two readings fit all rows but say different things.
    """
    read = {name: [way(raw, choices) for _, choices, raw in rows] for name, way in _READINGS.items()}
    fit = [name for name, found in read.items() if None not in found]
    if not fit:
        raise _unreadable(rows, read)
    if fit[0] == "index" and not any(isinstance(raw, str) for *_, raw in rows):
        fit = fit[:1]  # a number in a file is meant as one, whatever the choices say
    for (place, _, raw), *ways in zip(rows, *(read[name] for name in fit), strict=True):
        if len(set(ways)) > 1:
            said = " and ".join(f"as {name} choice {way}" for name, way in zip(fit, ways, strict=True))
            raise UserError(f"{place}: answer {raw!r} is {said}", hint="write indices from 0, as numbers")
    return [way for way in read[fit[0]] if way is not None]


def _index(raw: Any, choices: Sequence[str]) -> int | None:
    if isinstance(raw, str) and raw.strip().isdecimal() and len(raw) < 9:
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or raw not in range(len(choices)):
        return None
    return int(raw)


def _letter(raw: Any, choices: Sequence[str]) -> int | None:
    bare = raw.strip().rstrip(".)") if isinstance(raw, str) else ""
    place = _LETTERS.find(bare.upper()) if len(bare) == 1 else -1
    return place if 0 <= place < len(choices) else None


def _same_text(raw: Any, choices: Sequence[str]) -> int | None:
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        return None
    plain = [unicodedata.normalize("NFC", text).strip() for text in (str(raw), *choices)]
    return plain.index(plain[0], 1) - 1 if plain[0] in plain[1:] else None


_READINGS: dict[str, Callable[[Any, Sequence[str]], int | None]] = {
    "index": _index, "letter": _letter, "text": _same_text,
}  # fmt: skip


def _unreadable(rows: Sequence[Found], read: Mapping[str, list[int | None]]) -> UserError:
    best = min(read, key=lambda name: read[name].count(None))
    number = read[best].index(None)
    place, choices, raw = rows[number]
    if any(found[number] is not None for found in read.values()):
        return UserError(f"{place}: answer {_brief(raw)} is no {best}, as in other rows", hint=_HINT_FORM)
    what = f"{place}: answer {_brief(raw)} is none of the {len(choices)} choices"
    if str(raw).strip() == str(len(choices)):
        return UserError(what, hint='indices count from 0: answer = "{{answer | int - 1}}"')
    return UserError(what, hint=_HINT_FORM)


def own_texts(prompts: Sequence[str]) -> list[str]:
    """The prompts without the words that all of them begin or end with: instructions, "Answer:"."""
    split = [prompt.split() for prompt in prompts]
    ahead = _shared(split) if len(split) > 1 else 0
    behind = _shared([words[ahead:][::-1] for words in split]) if len(split) > 1 else 0
    return [" ".join(words[ahead : len(words) - behind]) for words in split]


def _shared(texts: Iterable[Sequence[str]]) -> int:
    """How many words all texts begin with."""
    count = 0
    for column in zip(*texts, strict=False):
        if len(set(column)) > 1:
            break
        count += 1
    return count


def check_language(items: Sequence[Item], language: str, path: Path) -> None:
    """UserError if the questions look like another language than the one stated; only where the detector knows it."""
    detector = load_detector()
    same = len({item.choices for item in items}) == 1  # labels, perhaps in another language
    parts = ([own, *(() if same else item.choices)] for own, item in _with_own(items))
    passages = _passages(" ".join(part) for part in parts)
    if language not in detector.languages or not passages:
        return
    mean = detector.shares(passages).mean(axis=0)
    shares = dict.fromkeys(sorted(detector.languages), 0.0)
    for name, share in zip(detector.classes, mean.tolist(), strict=True):
        shares[name.removesuffix(TYPED)] += share
    likeliest = max(shares, key=shares.__getitem__)
    if likeliest != language and shares[likeliest] >= _LIKELY:
        what = f"{path}: its questions look like {likeliest} ({shares[likeliest]:.0%}), not {language}"
        raise UserError(what, hint=f'set language = "{likeliest}" in the task, or name another file')


def _with_own(items: Sequence[Item]) -> Iterator[tuple[str, Item]]:
    return zip(own_texts([item.prompt for item in items]), items, strict=True)


def _passages(texts: Iterable[str]) -> list[str]:
    """Texts one after the other until there are letters enough; what is left over counts if it is all there is."""
    found, part = list[str](), ""
    for text in texts:
        part = f"{part} {text}"
        if sum(map(str.isalpha, part)) >= _PASSAGE:
            found.append(part)
            part = ""
    return found or [part] * (sum(map(str.isalpha, part)) >= _PASSAGE // 5)

"""[tokenizer]: which vocabulary the model will have, what it keeps, and on what it is measured."""

import difflib
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from anadil.errors import UserError
from anadil.languages import language_key
from anadil.languages.scripts import known_scripts
from anadil.recipe.table import Language, RecipePath, Table

Mode = Literal["keep", "extend", "replace", "inplace"]
_MODE = "keep: as it is; extend: add tokens; replace: a new one; inplace: free unused ids and refill them"
_NEW_TOKENS = "tokens to add (extend) or refill (inplace); default: all that can be freed"
_VOCAB_SIZE = "entries of the new vocabulary (replace)"
_TEXT_SUFFIXES = (".txt", ".jsonl", ".parquet", ".gz", ".zst")


def _known_script(script: str) -> str:
    name = " ".join(script.lower().split())
    if name not in known_scripts():
        near = difflib.get_close_matches(name, known_scripts(), n=3, cutoff=0.5)
        known = f"did you mean {' or '.join(near)}?"
        hint = known if near else "name it as Unicode does: latin, cyrillic, greek, arabic"
        raise UserError(f"tokenizer.keep: no script {script!r} in Unicode", hint=hint)
    return name


class Keep(Table):
    """Whose tokens stay: those of a language of the corpus, of a whole script, or of sample texts."""

    language: Language | None = Field(default=None, description="a language, counted on its corpus sources")
    script: Annotated[str, AfterValidator(_known_script)] | None = Field(
        default=None, description="every token whose letters are of this script, such as cyrillic"
    )
    first_ids: int | None = Field(
        default=None,
        ge=1,
        description="of a script, the tokens with ids below this: those that the base learned first (default: all)",
    )
    sample: RecipePath | None = Field(default=None, description="file, folder or glob of jsonl, txt or parquet files")
    text_field: str = Field(default="text", description="field or column of the sample that holds the text")
    min_count: int | None = Field(
        default=None, ge=1, description="a token stays if the text uses it so often (default: keep_min_count)"
    )

    @property
    def name(self) -> str:
        """As messages and reports call it; a sample by its last part, wherever it lies."""
        if self.sample:
            return f"sample:{self.sample.name}"
        return f"script:{self.script}" if self.script else language_key(self.language or "")

    @model_validator(mode="after")
    def _exactly_one(self) -> "Keep":
        given = [name for name in ("language", "script", "sample") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of language, script, sample; it has {' and '.join(given) or 'none'}")
        if self.script and self.min_count is not None:
            raise ValueError("a script is kept whole or by first_ids: min_count goes with a language or a sample")
        if self.first_ids is not None and not self.script:
            raise ValueError("first_ids goes with a script; a language or a sample has min_count")
        return self


def _keep_of(entry: Any) -> Any:
    """The short form: "script:cyrillic", a path, else a language."""
    if not isinstance(entry, str):
        return entry
    if entry.startswith("script:"):
        return {"script": entry.removeprefix("script:")}
    is_path = any(mark in entry for mark in "/\\*?[") or entry.endswith(_TEXT_SUFFIXES)
    return {"sample": entry} if is_path and not entry.endswith(".toml") else {"language": entry}


class Candidate(Table):
    """One vocabulary to build."""

    mode: Mode = Field(default="inplace", description=_MODE)
    new_tokens: int | None = Field(default=None, ge=0, description=_NEW_TOKENS)
    vocab_size: int = Field(default=32_000, ge=512, description=_VOCAB_SIZE)

    @property
    def label(self) -> str:
        """Mode and size: keep, extend-16000, inplace, inplace-32000, replace-32000."""
        size = {"keep": None, "replace": self.vocab_size}.get(self.mode, self.new_tokens)
        return self.mode if size is None else f"{self.mode}-{size}"


class MeasureOn(Table):
    """Texts that candidates are measured on beside the corpus's held-out text."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="short name: lowercase letters, digits, - and _")
    path: RecipePath = Field(description="file, folder or glob of jsonl, txt or parquet files")
    language: Language = Field(description="code of the language profile, or path of one (.toml)")
    text_field: str = Field(default="text", description="field or column that holds the text")


class Tokenizer(Table):
    """How the base's vocabulary becomes one that fits the language."""

    mode: Mode = Field(default="inplace", description=_MODE)
    new_tokens: int | None = Field(default=None, ge=0, description=_NEW_TOKENS)
    vocab_size: int = Field(default=32_000, ge=512, description=_VOCAB_SIZE)
    candidates: list[Candidate] = Field(
        default=[], description="vocabularies to build and measure beside the one above, which goes on"
    )
    keep: list[Annotated[Keep, BeforeValidator(_keep_of)]] = Field(
        default=[Keep(language="en")],
        description="whose tokens stay: languages, scripts, samples: ['en', 'script:cyrillic', 'ru/*.txt']",
    )
    keep_min_count: int = Field(default=2, ge=1, description="a token stays if a kept text uses it so often")
    target_min_count: int = Field(default=5, ge=1, description="an old token stays if the target uses it so often")
    min_pair_count: int = Field(default=2, ge=1, description="a new token must occur so often in the target text")
    measure_on: list[MeasureOn] = Field(default=[], description="more texts to measure on")
    most_kept_languages_may_pay: float = Field(
        default=0.03, ge=0, description="share of more tokens in a kept language above which a candidate is not advised"
    )

    @property
    def chosen(self) -> Candidate:
        """The vocabulary that goes on."""
        return Candidate(mode=self.mode, new_tokens=self.new_tokens, vocab_size=self.vocab_size)

    @model_validator(mode="after")
    def _distinct(self) -> "Tokenizer":
        labels = [candidate.label for candidate in self.candidates]
        if self.chosen.label in labels or len(set(labels)) < len(labels):
            raise ValueError(f"two candidates are the same: {', '.join([self.chosen.label, *labels])}")
        names = [texts.name for texts in self.measure_on]
        if len(set(names)) < len(names):
            raise ValueError(f"two of measure_on have the same name: {', '.join(names)}")
        return self

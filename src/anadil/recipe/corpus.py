"""[corpus]: where the text comes from and what is kept of it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anadil.recipe.table import Language, RecipePath, Table


class Source(Table):
    """One source of text: a file, a folder or a glob of jsonl(.gz|.zst), txt(.gz|.zst) or parquet files."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="short name: lowercase letters, digits, - and _")
    path: RecipePath | None = Field(default=None, description="file, folder or glob, relative to the recipe")
    url: str = Field(
        default="",
        description="instead of path: s3://bucket/files (or another that fsspec knows), "
        "hf://datasets/owner/name@commit/files; copied once",
    )
    language: Language = Field(description="code of the language profile, such as az, or path of one (.toml)")
    text_field: str = Field(
        default="text", description="field or column that holds the text, or a conversation (a list of messages)"
    )
    id_field: str = Field(default="id", description="field or column that holds the document's id, where there is one")
    licence: str = Field(default="", description="licence of the text, as its owner states it")
    weight: float = Field(
        default=1.0, ge=0, description="times the text occurs in one epoch; 0 keeps it out of training"
    )
    documents: Literal["file", "line", "blank_line"] = Field(
        default="file", description="what a document is in a txt file: the file, each line, or what blank lines part"
    )
    sha256: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="hash of the files, one after another by name; the run stops where they are others",
    )
    split: Literal["hash", "train", "heldout"] = Field(
        default="hash", description="hash: held out by document hash; train or heldout: all of it"
    )

    @model_validator(mode="after")
    def _lies_somewhere(self) -> Self:
        if bool(self.path) == bool(self.url):
            raise ValueError(f"source {self.name!r}: give either path or url")
        if self.url and "://" not in self.url:
            raise ValueError(f"source {self.name!r}: url = {self.url!r} has no protocol such as s3://")
        return self


class EvaluationSet(Table):
    """A jsonl file that models are measured on: no document of the corpus may hold an item of it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="short name, for the list of what was removed")
    path: RecipePath = Field(description="jsonl file, relative to the recipe")
    fields: list[str] = Field(
        default=["question", "answer", "text"],
        description="fields whose texts are items; missing ones are passed over",
    )
    language: Language = Field(default="az", description="language profile, for how its letters are typed")


class NearDuplicates(Table):
    """What counts as the same document in other words."""

    similarity: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="share of word n-grams in common (Jaccard) from which on a document is a copy; 1: only exact ones",
    )
    ngram: int = Field(default=2, ge=1, le=8, description="words of an n-gram")
    min_words: int = Field(default=10, ge=1, description="shorter documents are only compared whole")


class Mix(Table):
    """What is made of the sources' weights, once it is known how much text each has."""

    temperature: float = Field(
        default=1.0, gt=0, le=1, description="power that shares of words are raised to: below 1, small sources gain"
    )
    original_share: float | None = Field(
        default=None, gt=0, lt=1, description="share of words in the base's language, against forgetting (default: any)"
    )
    most_epochs: float = Field(default=0.0, ge=0, description="most times a source is read in one epoch; 0: any number")


class Corpus(Table):
    """Text in, clean text out."""

    sources: list[Source] = Field(min_length=1, description="the sources, one [[corpus.sources]] each")
    heldout_share: float = Field(
        default=0.05, ge=0, lt=1, description="share of documents held out, by hash of the text"
    )
    min_words: int | None = Field(default=None, ge=0, description="least words of a document (default: the profile's)")
    min_script_share: float | None = Field(
        default=None, ge=0, le=1, description="least share of the language's own letters (default: the profile's)"
    )
    on_error: Literal["stop", "skip"] = Field(
        default="stop", description="at a line that cannot be read: stop, or skip it and count it"
    )
    require_licence: bool = Field(default=False, description="whether a source without a licence stops the run")
    detect_language: bool = Field(
        default=True, description="whether text in another language than its source's is taken out, by passages"
    )
    personal_data: Literal["mask", "drop", "keep"] = Field(
        default="mask", description="what is done with e-mail addresses, numbers of accounts, cards, phones and persons"
    )
    own_contacts: list[str] = Field(
        default=[], description="addresses and numbers of your own, which everybody may know: they are not masked"
    )
    filter: bool = Field(default=True, description="whether lists, tables, repetitions and the like are taken out")
    near_duplicates: NearDuplicates = NearDuplicates()
    keep_copy: Literal["first", "longest"] = Field(
        default="first", description="which copy stays: of the first source named (held-out ones first), or the longest"
    )
    repeated_paragraph_words: int = Field(
        default=25, ge=0, description="words of a paragraph, from which on later copies of it are cut; 0: none are"
    )
    mix: Mix = Mix()
    contamination: list[EvaluationSet] = Field(
        default=[], description="evaluation sets whose items no document may hold, one [[corpus.contamination]] each"
    )

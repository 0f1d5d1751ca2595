"""[corpus]: where the text comes from and what is kept of it."""

from typing import Literal

from pydantic import Field

from anadil.recipe.table import Language, RecipePath, Table


class Source(Table):
    """One source of text: a file, a folder or a glob of jsonl(.gz|.zst), txt(.gz|.zst) or parquet files."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="short name: lowercase letters, digits, - and _")
    path: RecipePath = Field(description="file, folder or glob, relative to the recipe")
    language: Language = Field(description="code of the language profile, such as az, or path of one (.toml)")
    text_field: str = Field(
        default="text", description="field or column that holds the text, or a conversation (a list of messages)"
    )
    id_field: str = Field(default="id", description="field or column that holds the document's id, where there is one")
    licence: str = Field(default="", description="licence of the text, as its owner states it")
    weight: float = Field(
        default=1.0, ge=0, description="times the text occurs in one epoch; 0 keeps it out of training"
    )
    split: Literal["hash", "train", "heldout"] = Field(
        default="hash", description="hash: held out by document hash; train or heldout: all of it"
    )


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

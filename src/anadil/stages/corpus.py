"""corpus: raw files -> clean text per source and split."""

from pathlib import Path

from anadil.context import Context
from anadil.corpus.account import Account
from anadil.corpus.build import build
from anadil.corpus.clean import KEPT
from anadil.recipe import Recipe


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Build the corpus; metrics are documents read and kept, and words by language."""
    accounts = build(recipe.corpus, recipe.language, out, context.progress)
    target = [accounts[s.name] for s in recipe.corpus.sources if s.language == recipe.language]
    other = [accounts[s.name] for s in recipe.corpus.sources if s.language != recipe.language]
    return {
        "read_documents": sum(account.read.documents for account in accounts.values()),
        "rejected_documents": sum(_documents(account, rejected=True) for account in accounts.values()),
        "target_train_words": sum(account.by_verdict["train"].words for account in target),
        "target_heldout_documents": sum(account.by_verdict["heldout"].documents for account in target),
        "original_train_words": sum(account.by_verdict["train"].words for account in other),
        "original_heldout_documents": sum(account.by_verdict["heldout"].documents for account in other),
        "unreadable_lines": sum(account.unreadable for account in accounts.values()),
    }


def _documents(account: Account, *, rejected: bool) -> int:
    return sum(count.documents for verdict, count in account.by_verdict.items() if (verdict not in KEPT) == rejected)

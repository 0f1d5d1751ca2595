from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from anadil.languages import load_profile
from anadil.review.pairs import Pairs, find_pairs
from anadil.review.store import Store
from tests.review.small import two_runs

pytest.importorskip("fastapi")
from anadil.review.app import create_app
from tests.serve.conftest import running

Serving = Callable[..., str]


@pytest.fixture
def pairs(tmp_path: Path) -> Pairs:
    return find_pairs(*two_runs(tmp_path))


@pytest.fixture
def store(tmp_path: Path, pairs: Pairs) -> Store:
    return Store.create(tmp_path / "votes.sqlite", pairs.shown)


@pytest.fixture
def serving(pairs: Pairs, store: Store) -> Iterator[Serving]:
    """Serve the pairs; gives the address with the token."""
    with ExitStack() as stack:

        def start(language: str = "az", seed: int | None = None) -> str:
            app = create_app(pairs.shown, store, load_profile(language), seed)
            return f"{stack.enter_context(running(app))}/{store.secrets().token}/"

        yield start


@pytest.fixture
def url(serving: Serving) -> str:
    return serving()

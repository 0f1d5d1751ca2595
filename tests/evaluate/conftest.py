from collections.abc import Callable
from pathlib import Path

import pytest
from tests.export.conftest import make_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def new_model(tmp_path: Path) -> Callable[..., Path]:
    """A model of its own, for tests that change it."""
    return lambda **kind: make_model(tmp_path / "model", **kind)

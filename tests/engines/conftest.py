from collections.abc import Iterator
from pathlib import Path

import pytest

from anadil.engines.protocol import Engine
from anadil.engines.transformers import TransformersEngine
from tests.engines.tiny import export_folder


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_folder(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="session")
def reference(export: Path) -> Iterator[TransformersEngine]:
    with TransformersEngine(export / "hf", threads=1) as engine:
        yield engine


@pytest.fixture(scope="session")
def llama(export: Path) -> Iterator[Engine]:
    pytest.importorskip("xllamacpp")
    from anadil.engines.xllamacpp import XllamacppEngine

    with XllamacppEngine(export / "model-f32.gguf", export / "hf", threads=1, exact=True) as engine:
        yield engine


@pytest.fixture(params=["reference", "llama"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(request.param)

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from anadil.languages import load_profile
from anadil.recipe import Serve
from tests.serve.scripted import Scripted

pytest.importorskip("fastapi")
import uvicorn

from anadil.serve.app import create_app

SCRIPT = "Salam! Balansınızı *123# ilə yoxlaya bilərsiniz."


@contextmanager
def running(app: object) -> Iterator[str]:
    """A real server on a free port; yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    started = threading.Event()
    real_startup = server.startup

    async def startup(sockets: object = None) -> None:
        await real_startup(sockets)
        started.set()

    server.startup = startup
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(20)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def engine(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path, SCRIPT)


@pytest.fixture
def serving() -> Iterator[Callable[..., str]]:
    """Serve an engine; keywords are those of the recipe's [serve] or of `create_app`."""
    with ExitStack() as stack:

        def start(engine: Scripted, *, max_waiting: int = 32, max_body_bytes: int = 1 << 20, **settings: object) -> str:
            app = create_app(
                engine,
                "balaca",
                load_profile("az"),
                Serve.model_validate(settings),
                max_waiting=max_waiting,
                max_body_bytes=max_body_bytes,
            )
            return stack.enter_context(running(app))

        yield start


@pytest.fixture
def url(engine: Scripted, serving: Callable[..., str]) -> str:
    return serving(engine)

"""The gateway: OpenAI's chat API and the chat page in front of an engine, and the server that listens.

https://platform.openai.com/docs/api-reference/chat; what is not served is refused (see `schema`).
"""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import TextIO

from anadil.engines.protocol import Engine, GenerateParams, Messages, Token
from anadil.errors import UserError
from anadil.languages import LanguageProfile
from anadil.recipe import Serve
from anadil.serve.schema import ApiError, ChatRequest, Reply, parse, sse
from anadil.serve.strings import page_strings
from anadil.serve.web import (
    CLIENT_LEFT,
    LOOPBACK,
    SecurityHeaders,
    add_errors,
    address,
    listen,
    read_json_body,
    run,
)

try:
    from anyio import to_thread
    from fastapi import FastAPI, Request
    from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
    from starlette.types import Receive, Scope, Send
except ImportError as missing:
    raise UserError(f"the package {missing.name} is not installed", hint="pip install 'anadil[serve]'") from missing

PAGE = Path(__file__).parent / "page"
PAGE_FILES = {"/": "index.html", "/chat.css": "chat.css", "/chat.js": "chat.js", "/icon.svg": "icon.svg"}
MAX_BODY_BYTES = 1 << 20
MAX_WAITING = 32

log = logging.getLogger(__name__)


def create_app(
    engine: Engine,
    model_name: str,
    profile: LanguageProfile,
    settings: Serve | None = None,
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
    max_waiting: int = MAX_WAITING,
) -> FastAPI:
    """The service as an ASGI app. Requests beyond the engine's slots wait, those beyond `max_waiting` get 429."""
    settings = settings or Serve()
    gateway = Gateway(engine, model_name, settings, max_waiting)
    app = FastAPI(title=model_name, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SecurityHeaders)
    add_errors(app)
    _add_page(app, model_name, profile)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models")
    async def models() -> dict[str, object]:
        return {"object": "list", "data": [gateway.card()]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, object]:
        gateway.check_model(name)
        return gateway.card()

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        body = await read_json_body(request, max_body_bytes)
        return await gateway.complete(parse(body), request)

    return app


class Gateway:
    """Checks a parsed request against the engine and runs it; holds at most the engine's slots at a time."""

    def __init__(self, engine: Engine, model_name: str, settings: Serve, max_waiting: int):
        self.engine, self.model_name, self.settings = engine, model_name, settings
        self._max_waiting, self._waiting = max_waiting, 0
        self._free = asyncio.Semaphore(engine.slots)

    def card(self) -> dict[str, object]:
        """The model as GET /v1/models shows it."""
        return {"id": self.model_name, "object": "model", "created": 0, "owned_by": "anadil"}

    def check_model(self, name: str | None) -> None:
        """ApiError 404 for a model other than ours; none named is ours."""
        if name is not None and name != self.model_name:
            message = f"there is no model {name!r} here, only {self.model_name!r}"
            raise ApiError(404, message, code="model_not_found", param="model")

    async def complete(self, asked: ChatRequest, request: Request) -> Response:
        """Answer whole or as a stream."""
        self.check_model(asked.model)
        messages, params = asked.conversation(self.settings.system_prompt), asked.params(self.settings)
        reply = Reply(self.model_name, await self._prompt_tokens(messages, params))
        if self._free.locked() and self._waiting >= self._max_waiting:
            raise ApiError(429, "too many requests are waiting; try again in a moment", code="overloaded")
        if asked.stream:
            return _Stream(self._stream(messages, params, reply, asked.include_usage), media_type="text/event-stream")
        return await self._whole(messages, params, reply, request)

    async def _prompt_tokens(self, messages: Messages, params: GenerateParams) -> int:
        """Length of the prompt; ApiError 400 if it leaves too little room for an answer."""
        ids = await to_thread.run_sync(self.engine.prompt_ids, messages)
        most = self.engine.longest_prompt(params.max_new_tokens)
        if len(ids) > most:
            context = self.engine.context_tokens
            message = f"the conversation has {len(ids)} tokens; at most {most} of {context} leave room for an answer"
            raise ApiError(400, message, code="context_length_exceeded", param="messages")
        return len(ids)

    async def _whole(self, messages: Messages, params: GenerateParams, reply: Reply, request: Request) -> Response:
        tokens = []
        async with aclosing(self._tokens(messages, params)) as stream:
            async for token in stream:
                tokens.append(token)
                if await request.is_disconnected():
                    return Response(status_code=CLIENT_LEFT)
        text = "".join(token.text for token in tokens)
        return JSONResponse(reply.whole(text, tokens[-1].finish or "stop", len(tokens)))

    async def _stream(
        self, messages: Messages, params: GenerateParams, reply: Reply, include_usage: bool
    ) -> AsyncGenerator[bytes, None]:
        yield sse(reply.chunk({"role": "assistant", "content": ""}))
        count = 0
        try:
            async with aclosing(self._tokens(messages, params)) as tokens:
                async for token in tokens:
                    count += 1
                    if token.text:
                        yield sse(reply.chunk({"content": token.text}))
                    if token.finish:
                        yield sse(reply.chunk({}, token.finish))
        except Exception:  # the headers are out: all that is left is to say so in the stream
            log.exception("the engine failed in the middle of an answer")
            yield sse(ApiError(500, "the engine failed", code="engine_error").body())
            return
        if include_usage:
            yield sse(reply.usage_chunk(count))
        yield sse("[DONE]")

    async def _tokens(self, messages: Messages, params: GenerateParams) -> AsyncGenerator[Token, None]:
        """The engine's tokens, each awaited in a thread; closing this frees the engine."""
        async with self._place():
            tokens = self.engine.generate(messages, params)
            try:
                while (token := await to_thread.run_sync(next, tokens, None)) is not None:
                    yield token
            finally:
                with suppress(ValueError):  # at shutdown its thread may still run; it is closed when that ends
                    tokens.close()

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


class _Stream(StreamingResponse):
    """Closes its iterator at once when the client leaves, not when the garbage collector comes by."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers["cache-control"] = "no-cache"
        self.headers["x-accel-buffering"] = "no"  # else nginx gathers the answer before it passes it on
        assert isinstance(self.body_iterator, AsyncGenerator)
        async with aclosing(self.body_iterator):
            await super().__call__(scope, receive, send)


def _add_page(app: FastAPI, model_name: str, profile: LanguageProfile) -> None:
    async def page_file(request: Request) -> Response:
        return FileResponse(PAGE / PAGE_FILES[request.url.path], headers={"cache-control": "no-cache"})

    for path in PAGE_FILES:
        app.get(path)(page_file)

    @app.get("/page.json")
    async def page() -> dict[str, object]:
        return {"language": profile.code, "model": model_name, "strings": page_strings(profile)}


def serve(
    engine: Engine,
    model_name: str,
    profile: LanguageProfile,
    settings: Serve | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    stdout: TextIO | None = None,
) -> None:
    """Listen until Ctrl-C or SIGTERM; prints the address. UserError if the address cannot be had; port 0 is any."""
    listener = listen(host, port)
    app = create_app(engine, model_name, profile, settings)
    url = address(host, listener)
    lines = [f"{model_name} through {engine.name}", f"  chat page   {url}/", f"  OpenAI API  {url}/v1"]
    if host not in LOOPBACK:
        lines.append("  open to the network without a password: put a proxy with TLS and a login before it")
    print("\n".join([*lines, "Ctrl-C stops it."]), file=stdout or sys.stdout, flush=True)
    run(app, listener)

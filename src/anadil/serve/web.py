"""What our web services share: headers of every response, bodies with a limit, errors as JSON, and listening."""

import asyncio
import errno
import socket
from contextlib import suppress

from anadil.errors import UserError
from anadil.serve.schema import ApiError

try:
    import uvicorn
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ImportError as missing:
    raise UserError(f"the package {missing.name} is not installed", hint="pip install 'anadil[serve]'") from missing

LOOPBACK = ("127.0.0.1", "::1", "localhost")
BODY_SECONDS = 30.0
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
CLIENT_LEFT = 499
"""nginx's number for a client that went away; nobody reads it."""


class SecurityHeaders:
    """Adds HEADERS to every response."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def read_json_body(request: Request, limit: int) -> bytes:
    """The body of a request, in time and at most `limit` bytes; ApiError if it is not announced as JSON."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        # also what keeps other sites' pages out: a form cannot send this type, a script has to ask first
        raise ApiError(415, "the Content-Type must be application/json", code="unsupported_media_type")
    too_large = ApiError(413, f"the body has more than {limit} bytes", code="request_too_large")
    if int(request.headers.get("content-length", 0)) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise ApiError(408, f"the body did not arrive in {BODY_SECONDS:.0f} s", code="timeout") from None
    return bytes(body)


def add_errors(app: FastAPI) -> None:
    """Every error leaves in one shape, without our secrets."""

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> Response:
        headers = {"retry-after": "2"} if error.status == 429 else None
        return JSONResponse(error.body(), error.status, headers)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        shaped = ApiError(error.status_code, f"{request.method} {request.url.path}: {error.detail}", code="unknown_url")
        return JSONResponse(shaped.body(), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def our_fault(request: Request, error: Exception) -> Response:
        return JSONResponse(ApiError(500, "the service failed", code="internal_error").body(), 500)

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_LEFT)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; UserError if the address cannot be had. Port 0 is any."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"port {port} of {host} is in use", hint="stop what uses it, or take another --port"
            ) from None
        hint = "take an address of this machine, and a port above 1023"
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror}", hint=hint) from None


def address(host: str, listener: socket.socket) -> str:
    """The URL of a service on `host`, without a slash at its end."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def run(app: FastAPI, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C or SIGTERM."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3
    )
    with listener, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])

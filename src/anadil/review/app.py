"""The review page and the little that it asks of us: a reviewer's pairs, and a place for votes.

Nothing that leaves here says which answer is whose: the ids of a pair are made anew for every reviewer and side.
"""

import hmac
import json
import logging
import socket
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anadil.errors import UserError
from anadil.languages import LanguageProfile
from anadil.review.pairs import Pair, Pairs, Placed, place
from anadil.review.store import Choice, Reason, Store, Vote
from anadil.serve.schema import ApiError
from anadil.serve.strings import page_strings
from anadil.serve.web import LOOPBACK, SecurityHeaders, add_errors, address, listen, read_json_body, run

try:
    from anyio import to_thread
    from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
    from fastapi.responses import FileResponse, PlainTextResponse, Response
    from starlette.exceptions import HTTPException as AnyHTTPException
    from starlette.middleware.gzip import GZipMiddleware
except ImportError as missing:
    raise UserError(f"the package {missing.name} is not installed", hint="pip install 'anadil[serve]'") from missing

PAGE = Path(__file__).parent / "page"
PAGE_FILES = {"/": "index.html", "/review.css": "review.css", "/review.js": "review.js", "/icon.svg": "icon.svg"}
MAX_BODY_BYTES = 1 << 16
MAX_NAME = 80
MAX_COMMENT = 2_000
STRINGS = "review_"
"""What the keys of this page's words begin with in the language profile."""

OnPage = Literal["left", "right", "both_good", "both_bad"]

log = logging.getLogger(__name__)


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    reviewer: str


class _Ballot(_Body):
    pair: str
    choice: OnPage
    reasons: list[Reason] = Field(default=[], max_length=4)
    comment: str = Field(default="", max_length=MAX_COMMENT)


T = TypeVar("T", bound=_Body)


def create_app(pairs: Sequence[Pair], store: Store, profile: LanguageProfile, seed: int | None = None) -> FastAPI:
    """The service as an ASGI app, under the secret path `/<token>/` of the store; `seed` None is the store's own."""
    booth = Booth(pairs, store, seed)
    shown = {key: text for key, text in page_strings(profile).items() if key.startswith(STRINGS)}
    translated = any(key.startswith(STRINGS) for key in profile.page)
    page_facts: dict[str, object] = {"language": profile.code, "words": shown}
    page_facts["words_language"] = profile.code if translated else "en"
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(SecurityHeaders)
    add_errors(app)

    @app.exception_handler(AnyHTTPException)
    async def no_page(request: Request, error: AnyHTTPException) -> Response:
        return PlainTextResponse(shown["review_wrong_link"], error.status_code, error.headers)

    def check_token(token: str) -> None:
        if not hmac.compare_digest(token.encode(), booth.token.encode()):
            raise HTTPException(404)

    router = APIRouter(prefix="/{token}", dependencies=[Depends(check_token)])

    @router.get("/page.json")
    async def page() -> dict[str, object]:
        return page_facts

    @router.post("/pairs")
    async def pairs_of(request: Request) -> dict[str, object]:
        asked = _parse(_Body, await read_json_body(request, MAX_BODY_BYTES))
        return await to_thread.run_sync(booth.pairs_of, name_of(asked.reviewer))

    @router.post("/votes")
    async def vote(request: Request) -> dict[str, object]:
        ballot = _parse(_Ballot, await read_json_body(request, MAX_BODY_BYTES))
        return await to_thread.run_sync(booth.vote, ballot)

    for path, file in PAGE_FILES.items():
        router.get(path)(_sender(file))
    app.include_router(router)
    return app


def _sender(file: str) -> Any:
    async def send() -> Response:
        return FileResponse(PAGE / file, headers={"cache-control": "no-cache"})

    return send


class Booth:
    """Gives reviewers their pairs and takes their votes: between A and B of the runs, left and right of the page."""

    def __init__(self, pairs: Sequence[Pair], store: Store, seed: int | None):
        secrets = store.secrets()
        self.token, self._hidden = secrets.token, secrets.hidden.encode()
        self._pairs, self._store = pairs, store
        self._seed = secrets.seed if seed is None else seed

    def pairs_of(self, reviewer: str) -> dict[str, object]:
        """The pairs as this reviewer sees them, with the votes that are there."""
        voted = {vote.pair: vote for vote in self._kept(reviewer)}
        placed = place(self._pairs, reviewer, self._seed)
        return {"reviewer": reviewer, "pairs": [self._shown(one, reviewer, voted.get(one.pair.key)) for one in placed]}

    def vote(self, ballot: _Ballot) -> dict[str, object]:
        """Write a vote; the id of the pair says what stood on the left when it was given."""
        reviewer = name_of(ballot.reviewer)
        known = {self._id(one, reviewer): one for pair in self._pairs for one in _both_ways(pair)}
        if not (seen := known.get(ballot.pair)):
            raise ApiError(409, "this pair is not up for review; load the page again", code="unknown_pair")
        choice = _of_runs(ballot.choice, seen.a_is_left)
        reasons = tuple(sorted(set(ballot.reasons)))
        vote = Vote(reviewer, seen.pair.key, choice, seen.a_is_left, reasons, _text(ballot.comment))
        try:
            self._store.save(vote)
        except UserError as error:
            raise _not_kept(error) from error
        return {"saved": True}

    def _kept(self, reviewer: str) -> list[Vote]:
        try:
            return self._store.votes(reviewer)
        except UserError as error:
            raise _not_kept(error) from error

    def _shown(self, placed: Placed, reviewer: str, vote: Vote | None) -> dict[str, object]:
        pair, a_is_left = placed.pair, placed.a_is_left
        left, right = (pair.a, pair.b) if a_is_left else (pair.b, pair.a)
        shown = {"id": self._id(placed, reviewer), "question": pair.question, "left": left, "right": right}
        if vote is None:
            return shown | {"vote": None}
        choice = _on_page(vote.choice, a_is_left)
        return shown | {"vote": {"choice": choice, "reasons": vote.reasons, "comment": vote.comment}}

    def _id(self, placed: Placed, reviewer: str) -> str:
        seen = json.dumps([reviewer, placed.pair.key, placed.a_is_left])
        return hmac.digest(self._hidden, seen.encode(), "sha256").hex()[:24]


def name_of(given: str) -> str:
    """A reviewer's name in one form, so that one person is one; ApiError if nothing is left of it or it is too long."""
    name = "".join(c for c in unicodedata.normalize("NFC", given) if c.isprintable() or c.isspace())
    if not 0 < len(name := " ".join(name.split())) <= MAX_NAME:
        raise ApiError(422, f"a reviewer's name has 1 to {MAX_NAME} characters", code="name", param="reviewer")
    return name


def _both_ways(pair: Pair) -> tuple[Placed, Placed]:
    return Placed(pair, True), Placed(pair, False)


def _of_runs(choice: OnPage, a_is_left: bool) -> Choice:
    sides: dict[OnPage, Choice] = {"left": "a" if a_is_left else "b", "right": "b" if a_is_left else "a"}
    return sides.get(choice) or cast(Choice, choice)


def _on_page(choice: Choice, a_is_left: bool) -> OnPage:
    sides: dict[Choice, OnPage] = {"a": "left" if a_is_left else "right", "b": "right" if a_is_left else "left"}
    return sides.get(choice) or cast(OnPage, choice)


def _not_kept(error: UserError) -> ApiError:
    log.error("%s", error)
    return ApiError(503, "the votes cannot be read or written at the moment", code="not_saved")


def _text(comment: str) -> str:
    return comment.encode("utf-8", "replace").decode().strip()


def _parse(kind: type[T], body: bytes) -> T:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ApiError(422, ": ".join(filter(None, [where, first["msg"]])), code="malformed", param=where) from error


def serve(
    pairs: Pairs,
    votes: Path,
    profile: LanguageProfile,
    seed: int | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    stdout: TextIO | None = None,
) -> None:
    """Listen until Ctrl-C or SIGTERM, with `votes` as the file of the votes; prints the link. Port 0 is any.

    UserError if the address cannot be had or the file cannot be used.
    """
    listener = listen(host, port)
    store = Store.create(votes, pairs.shown)
    reached = {"0.0.0.0": _own_address(), "::": socket.gethostname()}.get(host, host)
    more = f"; {pairs.identical:,} more have the same answer twice and count as ties" if pairs.identical else ""
    lines = [f"{len(pairs.shown):,} pairs to review{more}"]
    lines += [f"  review page  {address(reached, listener)}/{store.secrets().token}/", f"  votes        {votes}"]
    if host not in LOOPBACK:
        lines.append("  whoever has the link can vote; plain http shows it to the network: add a proxy with TLS")
    lines.append("Ctrl-C stops it; the votes stay, and so does the link.")
    print("\n".join(lines), file=stdout or sys.stdout, flush=True)
    run(create_app(pairs.shown, store, profile, seed), listener)


def _own_address() -> str:
    """This machine's address in its network, as far as it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of documentation: it only asks for the route
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])

"""The CPU engine: llama.cpp's server inside this process, on a GGUF file, through the wheel `xllamacpp`.

It is spoken to over a Unix socket in a private folder, so that no port is opened; closing the connection is what
frees its slot. Prompts go in as token ids of our own renderer: text typed by users never becomes a control token.
"""

import json
import socket
import tempfile
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from anadil.engines.protocol import Engine, FinishReason, GenerateParams, Token
from anadil.errors import UserError

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 107."""
RANDOM_SEED = 2**32 - 1
"""What llama.cpp understands as: another one every time."""


class XllamacppEngine(Engine):
    """A GGUF file through llama.cpp; the tokenizer is read from the folder `tokenizer`.

    Up to `slots` answers are generated in one batch, each with a context of `context_tokens`. `exact` keeps keys
    and values in float32 and leaves flash attention out, to compare a float32 file with another engine.
    """

    name = "xllamacpp"

    def __init__(
        self,
        gguf: Path,
        tokenizer: Path,
        *,
        threads: int = 0,
        context_tokens: int = 2048,
        slots: int = 4,
        exact: bool = False,
    ):
        super().__init__(tokenizer)
        _check_gguf(gguf)
        self._folder = _socket_folder()
        self._socket = str(Path(self._folder.name) / "llama.sock")
        self._server: Any = None
        try:
            self._server = _start(gguf, self._socket, threads, context_tokens * slots, slots, exact)
        except RuntimeError as error:
            self.close()
            hint = "export it again, or update xllamacpp; the transformers engine reads the Hugging Face folder"
            raise UserError(f"llama.cpp cannot load {gguf}", hint=hint) from error
        model = self._get("/v1/models")["data"][0]["meta"]
        self.busy_slots()  # only a running loop answers; closing at once was seen to hang now and then (cause unproven)
        self.slots = slots
        self.context_tokens = min(context_tokens, int(model["n_ctx_train"]))

    def generate_ids(self, ids: Sequence[int], params: GenerateParams) -> Generator[Token, None, None]:
        """See `Engine`. llama.cpp says nothing of tokens that end within a character: those have no id here."""
        seen = 0
        with closing(self._completion(ids, params)) as events:
            for event in events:
                for token in _tokens(event, seen, params.max_new_tokens, self.stop_ids):
                    seen += 1
                    yield token
                    if token.finish:
                        return
        yield Token("", None, finish="stop")  # llama.cpp ends a turn at more tokens than our tokenizer names

    def score(self, ids: Sequence[int]) -> list[float]:
        """Always a UserError: llama.cpp's server gives no probabilities of the prompt."""
        del ids
        hint = "score the Hugging Face folder with the transformers engine"
        raise UserError("the xllamacpp engine cannot score text: llama.cpp's server does not return it", hint=hint)

    def close(self) -> None:
        """Stop the server and remove its socket; answers in progress end with an error."""
        self._server = None
        self._folder.cleanup()

    def busy_slots(self) -> int:
        """How many answers llama.cpp is working on."""
        return sum(bool(slot["is_processing"]) for slot in self._get("/slots"))

    def _get(self, path: str) -> Any:
        with closing(_Connection(self._socket)) as connection:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())

    def _completion(self, ids: Sequence[int], params: GenerateParams) -> Generator[dict[str, Any], None, None]:
        """The events of one completion; closing the connection frees the slot, in the middle too."""
        with closing(_Connection(self._socket)) as connection:
            body = json.dumps(_request(ids, params))
            connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            with closing(response):
                if response.status != 200:
                    raise RuntimeError(f"llama.cpp: {response.status} {response.read().decode(errors='replace')}")
                yield from _events(response)


def _tokens(event: dict[str, Any], seen: int, limit: int, stop_ids: Collection[int]) -> Iterator[Token]:
    """The tokens since the `seen` ones that earlier events told of: some kept back, then at most one by name."""
    named = [] if event["stop"] else event["tokens"]
    kept_back = event["tokens_predicted"] - seen - len(named)
    for number in range(seen + 1, seen + 1 + kept_back):
        is_end = event.get("stop_type") == "eos" and number == seen + kept_back
        yield Token("", None, finish="stop" if is_end else "length" if number == limit else None)
    for identifier in named:
        finish: FinishReason | None = "length" if event["tokens_predicted"] == limit else None
        yield Token(event["content"], identifier, finish="stop" if identifier in stop_ids else finish)


def _request(ids: Sequence[int], params: GenerateParams) -> dict[str, Any]:
    """The body for llama.cpp: its default samplers (top-k, min-p, penalties) are off; stop strings are ours."""
    return {
        "prompt": list(ids),
        "n_predict": params.max_new_tokens,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "samplers": ["temperature", "top_p"],
        "seed": RANDOM_SEED if params.seed is None else params.seed % RANDOM_SEED,
        "stream": True,
        "return_tokens": True,
        "cache_prompt": params.cache_prompt,
    }


def _events(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        kind, _, data = line.partition(b":")
        if kind == b"error":
            raise RuntimeError(f"llama.cpp: {data.decode(errors='replace').strip()}")
        if kind == b"data":
            event = json.loads(data)
            if "error" in event:
                raise RuntimeError(f"llama.cpp: {event['error']['message']}")
            yield event


class _Connection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str):
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def _check_gguf(gguf: Path) -> None:
    try:
        with open(gguf, "rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UserError(f"cannot read {gguf}: {error.strerror}", hint="name a GGUF file") from error
    if magic != b"GGUF":
        raise UserError(f"{gguf} is not a GGUF file", hint="name a file that the export stage wrote")


def _socket_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder of ours alone whose path is short enough for a socket."""
    folder = tempfile.TemporaryDirectory(prefix="anadil-")
    if len(folder.name.encode()) < LONGEST_SOCKET_PATH - len("/llama.sock"):
        return folder
    folder.cleanup()
    return tempfile.TemporaryDirectory(prefix="anadil-", dir="/tmp")


def _start(gguf: Path, path: str, threads: int, context_tokens: int, slots: int, exact: bool) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.hostnames = [path]
    params.ui = False
    params.n_ctx = context_tokens
    params.n_parallel = slots
    params.kv_unified = False  # each slot has its own room, so that one long answer cannot starve another
    params.fit_params = False  # would shrink the context to what it guesses fits
    params.cache_ram_mib = 0  # conversations of the past are not kept in memory
    params.verbosity = 0  # errors come as exceptions
    if threads:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    if exact:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return xllamacpp.Server(params)

"""Proof that a GGUF file says what the model says: the same token ids, and logits as near as its type allows.

llama.cpp itself (in `xllamacpp`) reads the file, since it is what will serve it.
"""

import json
import random
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from anadil.errors import UserError
from anadil.export.gguf import GgufType
from anadil.model.load import load
from anadil.tokenizer.chat import BOS, CONTROL_TOKENS, control_id, encode_plain
from anadil.tokenizer.load import load_tokenizer, to_bytes

Post = Callable[[str, dict[str, Any]], Any]
"""Path and body of a request -> the answer."""

GREEDY_TOKENS = 16
TOP = 32
PROMPTS = 4
PROMPT_TOKENS = 48
_TOKENS_A_STRING = 500

ALLOWED: dict[GgufType, float] = {"f32": 0.01, "bf16": 1.5, "q8_0": 10.0, "q4_0": 35.0, "q4_k": 25.0}
"""Largest error as a multiple of what torch makes in bfloat16. bf16 keeps 8 bits of each weight, q8_0 8 bits of the
largest of 32, and the same of the activations: 3 to 4 times the error on normal weights, more with outliers. 4 bits
have a step 16 times as wide, while the activations keep their 8 bits: the quickstart's model makes 11 to 16 times the
error in q4_0 and 8 to 13 in q4_k, random weights up to 24 and 17. About twice what trained weights show is allowed,
below the 45 and more that one query matrix in a wrong order makes."""

HARD_STRINGS = (
    "a b  c   d    e     f", " leading", "trailing ", "   ", "\t\tx\n\n\ny\r\nz\r\n\r\n", "\n", " \n \n",
    "\u00a0x\u2003y\u3000z", "0 1 12 123 1234 12345 1234567890", "3.14, 1,000.5; 1 000 000",
    "+994 (12) 345-67-89", "٣٤٥ १२३ Ⅷ ½ x²", "😀 🏳️‍🌈 👩‍👩‍👧‍👦 🇦🇿🇹🇷 👍🏽",
    "e\u0301 i\u0307 o\u0308\u0301 ə\u0327", "İIiı ƏəĞğÖöÜüŞşÇç", "Ǆǆ ß ﬁ ﬀ", "don't WE'LL it'S I'd",
    "l’eau ‘x’ ʼy `z` “a” «b»", "for (i = 0; i < 10; i++) { x[i] += 1; }\n\treturn x;",
    "def f(x):\n    return x ** 2  # why?\n", "SELECT * FROM t WHERE a >= 1 AND b != 'c';",
    "https://a.example/b?c=d&e=%20#f", "<p class=\"x\">&nbsp;</p>", "$x^2 + \\frac{1}{2}$",
    "...!!!???---___***", "a.b,c;d:e!f?g", "Привет, мир", "こんにちは世界", "你好，世界", "안녕하세요",
    "שלום عليكم", "สวัสดีชาวโลก", "नमस्ते", "Γειά σου", "\u200b\u200c\u200d\ufeff\u00ad", "\u202eabc\u202c",
    "\ufffd\ufffc", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈", "\x01\x02\x7f\x85", "a" * 300, " " * 100, "\n" * 50,
)  # fmt: skip


def verify(
    model: Path, files: Mapping[GgufType, Path], *, samples: Sequence[str] = (), threads: int = 1
) -> dict[str, Any]:
    """Compare GGUF files (type -> path) with the Hugging Face folder they were made from; for verify.json.

    `samples` are texts of the target language. Raises UserError when ids differ anywhere, naming the text, or when
    the logits of a file are further from float32 than its type explains.
    """
    if find_spec("xllamacpp") is None:
        reason = "xllamacpp is not installed, so no llama.cpp here could read the files"
        return {"verified": False, "reason": reason, "files": sorted(files)}
    tokenizer = load_tokenizer(model)
    strings = check_strings(tokenizer, samples)
    prompts = _prompts(tokenizer, [*samples, *HARD_STRINGS[-20:]])
    letter = control_id(tokenizer, "a")
    paths, ids = dict[GgufType, list[_Path]](), dict[GgufType, int]()
    for kind, file in files.items():
        with server(file, threads) as post:
            ids[kind] = compare_ids(tokenizer, post, strings, file)
            paths[kind] = [_greedy(post, prompt, letter) for prompt in prompts]
    logits = _compare_logits(model, prompts, paths)
    result = {kind: {"strings": len(strings), "ids_equal": ids[kind], **logits[kind]} for kind in files}
    _judge(result, files)
    return {"verified": True, "files": result}


def check_strings(tokenizer: Tokenizer, samples: Sequence[str]) -> list[str]:
    """Hundreds of strings on which tokenizers are known to differ, and every whole token of the vocabulary."""
    typed = [f"{name} x{name}{name}" for name in CONTROL_TOKENS]
    return [*samples, *HARD_STRINGS, *typed, *_random_strings(200), *_vocabulary_strings(tokenizer)]


def _random_strings(count: int) -> Iterator[str]:
    """Random characters that Unicode 3.2 already knew: younger ones are classed by the age of each library."""
    generator = random.Random(0)
    old = [chr(c) for c in range(9, 0x30000) if unicodedata.ucd_3_2_0.category(chr(c)) not in ("Cn", "Cs", "Co")]
    plain = [c for c in old if c < "\u0530"]
    for number in range(count):
        pool = plain if number % 2 else old
        yield "".join(generator.choices([*generator.choices(pool, k=12), " ", "\n", "'"], k=30))


def _vocabulary_strings(tokenizer: Tokenizer) -> Iterator[str]:
    """All tokens that are text, a line each: words that merges cannot build are found so."""
    control = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    words = []
    for token in sorted(tokenizer.get_vocab(with_added_tokens=True).keys() - control):
        try:
            words.append(to_bytes(token).decode())
        except UnicodeDecodeError:
            continue  # part of a character
    words = [word for word in words if "\0" not in word]
    for start in range(0, len(words), _TOKENS_A_STRING):
        yield "\n".join(words[start : start + _TOKENS_A_STRING])


@contextmanager
def server(file: Path, threads: int) -> Iterator[Post]:
    """A llama.cpp server in this process that has loaded the GGUF file, as the function that asks it."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.port, params.verbosity = str(file), 0, 0
    params.n_ctx, params.n_parallel, params.warmup = 4 * (PROMPT_TOKENS + GREEDY_TOKENS), 1, False
    # the usual float16 cache and fused attention would hide how near the file itself is
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    try:
        running = xllamacpp.Server(params)
    except RuntimeError as error:
        what = f"llama.cpp cannot load {file}: {error}"
        raise UserError(what, hint="export it again; if that repeats, please report it") from error
    address = urlsplit(running.listening_address)
    with closing(HTTPConnection(str(address.hostname), address.port, timeout=600)) as connection:
        yield partial(_post, connection)
    del running


def _post(connection: HTTPConnection, path: str, body: dict[str, Any]) -> Any:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"llama.cpp: {answer.status} {data.decode(errors='replace')}")
    return json.loads(data)


def compare_ids(tokenizer: Tokenizer, post: Post, strings: Sequence[str], file: Path) -> int:
    """How many strings llama.cpp gives the tokenizer's ids for, all of them; UserError names the first it does not."""
    for text in strings:
        body = {"content": text, "add_special": False, "parse_special": False}
        theirs, ours = post("/tokenize", body)["tokens"], encode_plain(tokenizer, text)
        if theirs != ours:
            hint = "llama.cpp's `llama-bpe` cuts text in another way than this tokenizer; set export.gguf = []"
            raise UserError(_difference(tokenizer, text, ours, theirs, file), hint=hint)
    return len(strings)


def _difference(tokenizer: Tokenizer, text: str, ours: list[int], theirs: list[int], file: Path) -> str:
    same = next((i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), 0)
    rest = tokenizer.decode(ours[same:], skip_special_tokens=False)
    where = f"text {text[:60]!r}, from {rest[:20]!r} on"
    ids = f"{theirs[same : same + 5]}, not {ours[same : same + 5]}"
    return f"{file.name} and the tokenizer give other ids for the {where}: {ids}"


def _prompts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    bos = control_id(tokenizer, BOS)
    return [[bos, *encode_plain(tokenizer, text)][:PROMPT_TOKENS] for text in texts[:PROMPTS]]


@dataclass(frozen=True)
class _Path:
    """What llama.cpp said at each step of a greedy continuation: likeliest ids and their log-probabilities, [N, K]."""

    ids: NDArray[np.int64]
    logprobs: NDArray[np.float64]

    @property
    def tokens(self) -> list[int]:
        """The likeliest token of each step."""
        return [int(token) for token in self.ids[:, 0]]


def _greedy(post: Post, prompt: list[int], letter: int) -> _Path:
    """One request a step. The server tells no probabilities beside a token that ends within a character, nor at
    temperature 0; so the token `letter` is forced by a bias, which the reported probabilities do not contain.
    """
    steps: list[list[dict[str, Any]]] = []
    body = {"n_predict": 1, "n_probs": TOP, "cache_prompt": True, "samplers": ["top_k"], "top_k": 1}
    body |= {"temperature": 1.0, "logit_bias": [[letter, 1000.0]]}
    for _ in range(GREEDY_TOKENS):
        sequence = prompt + [step[0]["id"] for step in steps]
        answer = post("/completion", body | {"prompt": sequence})
        steps.append(answer["completion_probabilities"][0]["top_logprobs"])
    ids, logprobs = ([[top[key] for top in step] for step in steps] for key in ("id", "logprob"))
    return _Path(np.array(ids), np.array(logprobs))


@torch.no_grad()
def _torch_logprobs(
    model: Path, prompts: list[list[int]], paths: Mapping[GgufType, list[_Path]], dtype: torch.dtype
) -> dict[GgufType, list[NDArray[np.float32]]]:
    """Log-probabilities [N, V] that torch gives along each continuation."""
    loaded = load(model, dtype=dtype)
    found: dict[GgufType, list[NDArray[np.float32]]] = {kind: [] for kind in paths}
    for kind, steps in paths.items():
        for prompt, path in zip(prompts, steps, strict=True):
            ids = torch.tensor([prompt + path.tokens[:-1]])
            logits = loaded(ids, use_cache=False).logits[0, len(prompt) - 1 :]
            found[kind].append(torch.log_softmax(logits.float(), dim=-1).numpy())
    return found


def _compare_logits(
    model: Path, prompts: list[list[int]], paths: Mapping[GgufType, list[_Path]]
) -> dict[GgufType, dict[str, float]]:
    exact = _torch_logprobs(model, prompts, paths, torch.float32)
    rough = _torch_logprobs(model, prompts, paths, torch.bfloat16)
    return {kind: _errors(steps, exact[kind], rough[kind]) for kind, steps in paths.items()}


def _errors(paths: list[_Path], exact: list[NDArray[np.float32]], rough: list[NDArray[np.float32]]) -> dict[str, float]:
    def at(logprobs: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        taken = [np.take_along_axis(x, path.ids, axis=1) for x, path in zip(logprobs, paths, strict=True)]
        return np.concatenate(taken).astype(np.float64)

    said = np.concatenate([path.logprobs for path in paths])
    best = np.concatenate([x.argmax(axis=1) for x in exact])
    return {
        "steps": len(said),
        "greedy_equal": int((np.concatenate([path.ids[:, 0] for path in paths]) == best).sum()),
        "rms_logprob_error": float(np.sqrt(np.mean((said - at(exact)) ** 2))),
        "rms_logprob_error_torch_bf16": float(np.sqrt(np.mean((at(rough) - at(exact)) ** 2))),
    }


def _judge(result: Mapping[GgufType, Mapping[str, float]], files: Mapping[GgufType, Path]) -> None:
    for kind, found in result.items():
        error, unit = found["rms_logprob_error"], found["rms_logprob_error_torch_bf16"]
        if not error <= ALLOWED[kind] * unit:
            off = f"log-probabilities are off by {error:.2g} (rms)"
            what = f"{files[kind]}: {off}; torch in bfloat16 is off by {unit:.2g}"
            raise UserError(what, hint="llama.cpp does not compute this model as transformers does; please report it")

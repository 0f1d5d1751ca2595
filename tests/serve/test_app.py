"""The gateway over real HTTP, with the client that its users have."""

import json
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from anadil.engines import open_engine
from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.serve.app import create_app, serve
from anadil.serve.schema import NEUTRAL, NOT_SERVED
from tests.engines.tiny import export_folder
from tests.serve.conftest import SCRIPT, running
from tests.serve.scripted import Scripted

USER = [{"role": "user", "content": "Salam"}]
ROOT = Path(__file__).parents[2]
JSON = {"content-type": "application/json"}


def client(url: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def post(url: str, body: object, headers: dict[str, str] = JSON) -> httpx2.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(f"{url}/v1/chat/completions", content=data, headers=headers, timeout=60)


def test_a_whole_answer(url: str, engine: Scripted) -> None:
    answer = client(url).chat.completions.create(model="balaca", messages=USER)
    assert answer.choices[0].message.content == SCRIPT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == len(engine.prompt_ids(USER))
    assert answer.usage.completion_tokens == len(SCRIPT.split()) + 1
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_says_the_same(url: str) -> None:
    options = {"include_usage": True}
    stream = client(url).chat.completions.create(model="balaca", messages=USER, stream=True, stream_options=options)
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(pieces) == SCRIPT
    assert len(pieces) == len(SCRIPT.split())
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens == len(SCRIPT.split()) + 1
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_comes_only_when_asked_for(url: str) -> None:
    stream = client(url).chat.completions.create(model="balaca", messages=USER, stream=True)
    assert all(chunk.usage is None for chunk in stream)


def test_the_stream_ends_with_done(url: str) -> None:
    response = post(url, {"messages": USER, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("data: [DONE]\n\n")


def test_parameters_reach_the_engine(url: str, engine: Scripted) -> None:
    client(url).chat.completions.create(
        model="balaca", messages=USER, max_tokens=9, temperature=0.5, top_p=0.25, seed=11, stop=["###", "!!"]
    )
    params = engine.asked[0][1]
    assert (params.max_new_tokens, params.temperature, params.top_p, params.seed) == (9, 0.5, 0.25, 11)
    assert params.stop == ("###", "!!")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_is_kept(url: str, name: str) -> None:
    answer = client(url).chat.completions.create(model="balaca", messages=USER, **{name: 2})
    assert answer.choices[0].message.content == " ".join(SCRIPT.split()[:2])
    assert answer.choices[0].finish_reason == "length"


def test_a_stop_string_is_kept_out(url: str) -> None:
    answer = client(url).chat.completions.create(model="balaca", messages=USER, stop="*123#")
    assert answer.choices[0].message.content == SCRIPT[: SCRIPT.find("*123#")]
    assert answer.choices[0].finish_reason == "stop"


def test_what_is_left_open_is_the_recipes(engine: Scripted, serving: Callable[..., str]) -> None:
    url = serving(engine, system_prompt="Qısa yaz.", max_new_tokens=3, temperature=0.75)
    post(url, {"messages": USER})
    prompt, params = engine.asked[0]
    assert "Qısa yaz." in prompt
    assert (params.max_new_tokens, params.temperature, params.seed) == (3, 0.75, None)


def test_the_clients_system_message_takes_the_place_of_ours(engine: Scripted, serving: Callable[..., str]) -> None:
    url = serving(engine, system_prompt="Qısa yaz.")
    post(url, {"messages": [{"role": "system", "content": "Uzun yaz."}, *USER]})
    assert "Uzun yaz." in engine.asked[0][0]
    assert "Qısa yaz." not in engine.asked[0][0]


def test_content_may_come_in_text_parts(url: str, engine: Scripted) -> None:
    parts = [{"type": "text", "text": "Salam"}, {"type": "text", "text": ", dünya"}]
    assert post(url, {"messages": [{"role": "user", "content": parts}]}).status_code == 200
    assert "Salam, dünya" in engine.asked[0][0]


def test_models_and_health(url: str) -> None:
    assert [model.id for model in client(url).models.list()] == ["balaca"]
    assert client(url).models.retrieve("balaca").owned_by == "anadil"
    with pytest.raises(NotFoundError):
        client(url).models.retrieve("other")
    assert httpx2.get(f"{url}/health").json() == {"status": "ok"}


def deep(levels: int) -> bytes:
    return b'{"messages":' + b"[" * levels + b"]" * levels + b"}"


BAD = {
    "malformed JSON": (b'{"messages": [', 400, "invalid_json"),
    "empty body": (b"", 400, "invalid_json"),
    "not an object": (b"[]", 400, "invalid_json"),
    "too deep": (deep(50_000), 400, "invalid_json"),
    "invalid UTF-8": (b'{"messages": [{"role": "user", "content": "\xff"}]}', 400, "invalid_utf8"),
    "lone surrogate": (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', 400, "invalid_utf8"),
    "lone surrogate as model": (b'{"messages": [], "model": "\\udfff"}', 400, "invalid_utf8"),
    "no messages": ({"model": "balaca"}, 400, "invalid_value"),
    "empty messages": ({"messages": []}, 400, "invalid_value"),
    "messages no list": ({"messages": "Salam"}, 400, "invalid_value"),
    "unknown role": ({"messages": [{"role": "oracle", "content": "x"}]}, 400, "invalid_value"),
    "no content": ({"messages": [{"role": "user"}]}, 400, "invalid_value"),
    "a picture": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "invalid_value"),
    "max_tokens 0": ({"messages": USER, "max_tokens": 0}, 400, "invalid_value"),
    "max_tokens -5": ({"messages": USER, "max_completion_tokens": -5}, 400, "invalid_value"),
    "max_tokens text": ({"messages": USER, "max_tokens": "5"}, 400, "invalid_value"),
    "temperature 3": ({"messages": USER, "temperature": 3}, 400, "invalid_value"),
    "temperature NaN": (b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}', 400, "invalid_value"),
    "top_p -1": ({"messages": USER, "top_p": -1}, 400, "invalid_value"),
    "five stops": ({"messages": USER, "stop": list("abcde")}, 400, "invalid_value"),
    "over the context": ({"messages": [{"role": "user", "content": "x" * 300}]}, 400, "context_length_exceeded"),
    "unknown model": ({"model": "gpt-5", "messages": USER}, 404, "model_not_found"),
    "body over the limit": (b" " * 200_001, 413, "request_too_large"),
} | {
    f"{name} asked for": ({"messages": USER, name: value}, 400, "unsupported_parameter")
    for name, value in [*((name, [1]) for name in NOT_SERVED), *((name, 7) for name in NEUTRAL)]
}


@pytest.fixture(scope="module")
def strict_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    engine = Scripted(tmp_path_factory.mktemp("engine"), SCRIPT)
    app = create_app(engine, "balaca", load_profile("az"), max_body_bytes=200_000)
    with running(app) as url:
        yield url


@pytest.mark.parametrize("case", BAD)
def test_errors_have_openais_shape(strict_url: str, case: str) -> None:
    body, status, code = BAD[case]
    response = post(strict_url, body)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "Traceback" not in response.text


def test_a_body_of_unknown_length_is_cut_off(strict_url: str) -> None:
    chunks = (b" " * 50_000 for _ in range(5))
    response = httpx2.post(f"{strict_url}/v1/chat/completions", content=chunks, headers=JSON)
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/../app.py", 404),
        ("GET", "/docs", 404),
        ("POST", "/", 405),
    ],
)
def test_unknown_urls_have_openais_shape(strict_url: str, method: str, path: str, status: int) -> None:
    response = httpx2.request(method, strict_url + path)
    assert (response.status_code, response.json()["error"]["code"]) == (status, "unknown_url")


def test_only_json_is_taken(strict_url: str) -> None:
    # a form of another site can send these types without asking
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert post(strict_url, {"messages": USER}, {"content-type": kind}).status_code == 415
    assert post(strict_url, {"messages": USER}, {"content-type": "application/json; charset=utf-8"}).status_code == 200


def test_the_client_raises_its_own_errors(strict_url: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        client(strict_url).chat.completions.create(model="balaca", messages=[])
    assert caught.value.param == "messages"
    with pytest.raises(NotFoundError):
        client(strict_url).chat.completions.create(model="other", messages=USER)


def test_null_and_idle_parameters_are_taken(strict_url: str) -> None:
    nulls = dict.fromkeys(["tools", "seed", "stop", "max_tokens", "logprobs"])
    idle = {"n": 1, "frequency_penalty": 0, "response_format": {"type": "text"}, "user": "u1"}
    assert post(strict_url, {"messages": USER, **nulls, **idle}).status_code == 200


@pytest.fixture
def endless(tmp_path: Path) -> Scripted:
    engine = Scripted(tmp_path, "bir iki", endless=True, context_tokens=1_000_000)
    engine.gate = threading.Semaphore(5)
    return engine


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_the_engine(endless: Scripted, serving: Callable[..., str], stream: bool) -> None:
    address = serving(endless, max_new_tokens=900_000).removeprefix("http://127.0.0.1:")
    body = json.dumps({"messages": USER, "stream": stream}).encode()
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: x", "Content-Type: application/json"]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}"])
    with socket.create_connection(("127.0.0.1", int(address))) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        while endless.said < 5:
            threading.Event().wait(0.005)
    endless.gate.release(500_000)
    assert endless.idle.wait(10)
    assert endless.said < 400_000


def test_answers_beyond_the_slots_wait_and_beyond_the_queue_are_refused(
    endless: Scripted, serving: Callable[..., str]
) -> None:
    url = serving(endless, max_waiting=1, max_new_tokens=10)
    responses: queue.Queue[httpx2.Response] = queue.Queue()
    for _ in range(4):
        threading.Thread(target=lambda: responses.put(post(url, {"messages": USER}))).start()
    # one has the slot, one waits, and neither ends before the gate opens: the first two to end are those refused
    for refused in [responses.get(timeout=60) for _ in range(2)]:
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "2"
    endless.gate.release(100)
    answers = [responses.get(timeout=60).json()["choices"][0]["message"]["content"] for _ in range(2)]
    assert answers == ["bir iki " * 4 + "bir iki"] * 2
    assert endless.most_running == 1


def test_slots_run_side_by_side(tmp_path: Path, serving: Callable[..., str]) -> None:
    engine = Scripted(tmp_path, SCRIPT, slots=2)
    engine.gate = threading.Semaphore(0)
    url = serving(engine)
    askers = [threading.Thread(target=post, args=(url, {"messages": USER})) for _ in range(3)]
    for asker in askers:
        asker.start()
    while engine.running < 2:
        threading.Event().wait(0.005)
    engine.gate.release(100)
    for asker in askers:
        asker.join(20)
    assert engine.most_running == 2
    assert len(engine.asked) == 3


def test_a_failing_engine_is_a_500_without_its_secrets(engine: Scripted, serving: Callable[..., str]) -> None:
    engine.generate_ids = lambda ids, params: iter_failing()
    url = serving(engine)
    whole, stream = post(url, {"messages": USER}), post(url, {"messages": USER, "stream": True})
    assert (whole.status_code, whole.json()["error"]["type"]) == (500, "server_error")
    last = json.loads(stream.text.strip().rpartition("data: ")[2])
    assert last["error"]["code"] == "engine_error"
    assert "/secret/path" not in whole.text + stream.text


def iter_failing() -> object:
    raise RuntimeError("/secret/path")
    yield


def test_the_page_is_there_under_a_strict_policy(url: str) -> None:
    for path, kind in {"/": "text/html", "/chat.css": "text/css", "/chat.js": "text/javascript"}.items():
        response = httpx2.get(url + path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
        policy = response.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
    strings = httpx2.get(f"{url}/page.json").json()
    assert strings["language"] == "az"
    assert strings["strings"]["send"] == load_profile("az").page["send"]


def test_every_response_has_the_headers(url: str) -> None:
    for path in ("/", "/health", "/nothing", "/v1/models"):
        assert httpx2.get(url + path).headers["x-content-type-options"] == "nosniff"


def test_a_real_model_answers(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    with open_engine(export_folder(tmp_path / "export"), threads=1) as engine:
        app = create_app(engine, "balaca", load_profile("az"))
        with running(app) as url:
            body = {"messages": USER, "max_tokens": 12, "seed": 3, "temperature": 1.0}
            whole = post(url, body).json()
            stream = post(url, {**body, "stream": True}).text
    assert whole["usage"]["completion_tokens"] <= 12
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    said = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    assert said == whole["choices"][0]["message"]["content"]


def test_serve_prints_its_address_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.serve.scripted", "serve", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            lines = [process.stdout.readline() for _ in range(3)]
            address = lines[1].split()[-1]
            assert "Salam" in post(address.rstrip("/"), {"messages": USER}).text
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_a_port_in_use_is_named(engine: Scripted) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 is in use"):
            serve(engine, "balaca", load_profile("az"), port=port)


def test_an_address_of_another_machine_is_named(engine: Scripted) -> None:
    with pytest.raises(UserError, match=r"cannot listen on 203\.0\.113\.1:0"):
        serve(engine, "balaca", load_profile("az"), host="203.0.113.1", port=0)

"""OpenAI's chat completions as far as they are served: requests, answers, stream chunks, errors.

https://platform.openai.com/docs/api-reference/chat. Fields that a request may carry and that change nothing here
(`user`, `metadata`, ...) are ignored; those that ask for what is not served are refused, not ignored.
"""

import json
import time
import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anadil.engines.protocol import FinishReason, GenerateParams
from anadil.recipe import Serve

NOT_SERVED = ("audio", "function_call", "functions", "logit_bias", "logprobs", "tool_choice", "tools", "top_logprobs")
NEUTRAL: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
}
"""Parameters that are accepted at these values only."""


class ApiError(Exception):
    """An error that the client gets, in OpenAI's shape."""

    def __init__(self, status: int, message: str, *, code: str, param: str | None = None):
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    def body(self) -> dict[str, Any]:
        """The JSON that goes out."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        kind = "rate_limit_error" if self.status == 429 else kind
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class TextPart(_Model):
    """A piece of a message's content; only text is served."""

    type: Literal["text"]
    text: str


class Message(_Model):
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str | list[TextPart]

    def plain(self) -> dict[str, str]:
        """Role and text."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": text}


class StreamOptions(_Model):
    """What a stream adds."""

    include_usage: bool = False


class ChatRequest(_Model):
    """Body of POST /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1)
    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None

    @property
    def include_usage(self) -> bool:
        """Whether the stream ends with a chunk of token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    def conversation(self, system_prompt: str) -> list[dict[str, str]]:
        """The messages, after the service's own first one if the client brings none."""
        messages = [message.plain() for message in self.messages]
        own = system_prompt and messages[0]["role"] != "system"
        return [{"role": "system", "content": system_prompt}, *messages] if own else messages

    def params(self, settings: Serve) -> GenerateParams:
        """How to generate; what the request leaves open is the recipe's."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return GenerateParams(
            max_new_tokens=self.max_completion_tokens or self.max_tokens or settings.max_new_tokens,
            temperature=settings.temperature if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.seed,
            stop=stop,
        )


def parse(body: bytes) -> ChatRequest:
    """Read a request; ApiError 400 for anything that is not one."""
    try:
        data = json.loads(body.decode())
        json.dumps(data, ensure_ascii=False).encode()  # an escaped half of a surrogate pair is no text
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise ApiError(400, f"the body is not UTF-8: {error.reason}", code="invalid_utf8") from None
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}", code="invalid_json") from None
    if not isinstance(data, dict):
        raise ApiError(400, "the body is not a JSON object", code="invalid_json")
    _refuse_what_is_not_served(data)
    try:
        return ChatRequest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"])
        raise ApiError(400, f"{param}: {first['msg']}", code="invalid_value", param=param) from None


def _refuse_what_is_not_served(data: dict[str, Any]) -> None:
    asked = [name for name in NOT_SERVED if data.get(name)]
    asked += [name for name, values in NEUTRAL.items() if data.get(name) not in (None, *values)]
    if asked:
        raise ApiError(400, f"{asked[0]} is not served here", code="unsupported_parameter", param=asked[0])


class Reply:
    """The JSON of one answer, whole or in chunks: they share id, time and model."""

    def __init__(self, model: str, prompt_tokens: int):
        self._common = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        self._prompt_tokens = prompt_tokens

    def whole(self, text: str, finish: FinishReason, tokens: int) -> dict[str, Any]:
        """A chat.completion."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        return {**self._common, "object": "chat.completion", "choices": [choice], "usage": self.usage(tokens)}

    def chunk(self, delta: dict[str, str], finish: FinishReason | None = None) -> dict[str, Any]:
        """A chat.completion.chunk."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**self._common, "object": "chat.completion.chunk", "choices": [choice]}

    def usage_chunk(self, tokens: int) -> dict[str, Any]:
        """The chunk that ends a stream with include_usage."""
        return {**self._common, "object": "chat.completion.chunk", "choices": [], "usage": self.usage(tokens)}

    def usage(self, tokens: int) -> dict[str, int]:
        """Token counts."""
        prompt = self._prompt_tokens
        return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}


def sse(data: dict[str, Any] | str) -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"data: {text}\n\n".encode()

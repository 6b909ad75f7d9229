"""Several vLLM servers behind one call: in turn, each with a circuit breaker, another one when one fails.

Servers answer OpenAI's ``/v1/completions``. A completion changes nothing, so asking again is harmless.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.errors import (
    ConfigError,
    GeneratorServerError,
    NoServerError,
    ServerAnswerError,
    ServerDownError,
    ServerRefusedError,
    ServerReleaseError,
    ServerSlowError,
)
from recsys_core.generator.vllm.breaker import Breaker, BreakerConfig, State
from recsys_core.generator.vllm.rule import ARGUMENT

Answer = TypeVar("Answer")


class PoolConfig(BaseModel):
    """How servers are asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_s: float = Field(default=5.0, gt=0)
    """Longest wait for one answer."""
    connect_s: float = Field(default=1.0, gt=0)
    """Longest wait for a connection."""
    connections: int = Field(default=32, ge=1)
    """Most connections that are open at once."""
    breaker: BreakerConfig = Field(default_factory=BreakerConfig)
    """When a server is left alone."""


class ServerHealth(NamedTuple):
    """How one server stands."""

    url: str
    state: State
    problem: str
    """Empty when it can be used."""


class _Server:
    def __init__(self, url: str, breaker: Breaker) -> None:
        self.url = url
        self.breaker = breaker


class ServerPool:
    """Servers of one release. Safe to use from several threads.

    Args:
        urls: addresses, without ``/v1``.
        release: that they must answer for.
        config: how they are asked.
        clock: seconds, ever growing; for the breakers.

    Raises:
        ConfigError: no address, or one that isn't ``http://`` or ``https://``.
    """

    def __init__(
        self,
        urls: Sequence[str],
        release: str,
        config: PoolConfig | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.release = release
        self.config = config or PoolConfig()
        self._servers = [_Server(url, Breaker(self.config.breaker, clock)) for url in checked(urls)]
        self._turn = itertools.count()
        timeout = httpx.Timeout(self.config.timeout_s, connect=self.config.connect_s)
        limits = httpx.Limits(
            max_connections=self.config.connections, max_keepalive_connections=self.config.connections
        )
        # the servers are ours: a proxy of the environment has no part in this
        self._http = httpx.Client(timeout=timeout, limits=limits, trust_env=False)

    def order(self) -> list[int]:
        """Servers in the order in which one request should try them; the first is another one each time."""
        first = next(self._turn) % len(self._servers)
        return [*range(first, len(self._servers)), *range(first)]

    def complete(
        self,
        prompts: Sequence[Sequence[int]],
        rule: str,
        logprobs: int,
        read: Callable[[Any], Answer],
        order: Sequence[int] | None = None,
    ) -> Answer:
        """One next-token distribution a prompt.

        Args:
            prompts: token numbers.
            rule: JSON of a :class:`~recsys_core.generator.vllm.rule.ServerRule`.
            logprobs: how many tokens of each distribution come back.
            read: makes something of the decoded answer; what it can't believe it raises as ValueError.
            order: from :meth:`order`, so that the steps of one request stay on one server while that works.

        Raises:
            NoServerError: none could be used.
        """
        body = {
            "model": model_name(self.release),
            "prompt": [list(prompt) for prompt in prompts],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": logprobs,
            "return_tokens_as_token_ids": True,
            "vllm_xargs": {ARGUMENT: rule},
        }
        content = json.dumps(body, separators=(",", ":")).encode()
        problems = []
        for number in order or self.order():
            server = self._servers[number]
            if not server.breaker.allows():
                problems.append(f"{server.url}: left alone after several failures")
                continue
            succeeded = False
            try:
                answer = self._read(server.url, content, read)
                succeeded = True
            except GeneratorServerError as error:
                problems.append(str(error).removeprefix("generator server "))
            else:
                return answer
            finally:
                server.breaker.report(succeeded)
        raise NoServerError(f"no generator server could be used ({'; '.join(problems)})")

    def health(self) -> list[ServerHealth]:
        """Ask every server whether it is there and of the right release."""
        found = []
        for server in self._servers:
            problem = ""
            try:
                self._check_release(server.url)
            except GeneratorServerError as error:
                problem = str(error)
            found.append(ServerHealth(server.url, server.breaker.state, problem))
        return found

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _check_release(self, url: str) -> None:
        response = self._send(url, "GET", "/v1/models", None)
        try:
            names = [str(model["id"]) for model in response.json()["data"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ServerAnswerError(url, "its list of models can't be read; is it vLLM?") from error
        if model_name(self.release) not in names:
            raise ServerReleaseError(url, _other_release(self.release, ", ".join(names)))

    def _read(self, url: str, content: bytes, read: Callable[[Any], Answer]) -> Answer:
        response = self._send(url, "POST", "/v1/completions", content)
        try:
            return read(response.json())
        except (ValueError, KeyError, IndexError, TypeError) as error:
            said = str(error) if type(error) is ValueError else "it isn't a completion with log-probabilities"
            raise ServerAnswerError(url, f"its answer can't be true: {said}; look at the server's log") from error

    def _send(self, url: str, method: str, path: str, content: bytes | None) -> httpx.Response:
        headers = {"content-type": "application/json"} if content else None
        try:
            try:
                response = self._http.request(method, url + path, content=content, headers=headers)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                # a connection that the server had given up meanwhile; a new one tells whether it is there
                response = self._http.request(method, url + path, content=content, headers=headers)
        except httpx.TimeoutException as error:
            raise ServerSlowError(
                url, f"no answer within {self.config.timeout_s:g} s; raise SIDRA_VLLM_TIMEOUT_S or add servers"
            ) from error
        except httpx.HTTPError as error:
            raise ServerDownError(
                url, f"can't be reached ({type(error).__name__}); start it with `sidra serve-generator`"
            ) from error
        if response.status_code >= 500:
            raise ServerDownError(url, f"it failed inside (HTTP {response.status_code}); look at the server's log")
        if response.status_code == 404 or (response.status_code == 400 and f"{ARGUMENT}: release" in response.text):
            raise ServerReleaseError(url, _other_release(self.release, _message(response)))
        if response.status_code >= 400:
            raise ServerRefusedError(url, f"it refused the request: {_message(response)}")
        return response


def model_name(release: str) -> str:
    """What a server calls the model of a release; another release's server doesn't know it."""
    return f"sidra-lm-{release}"


def checked(urls: Sequence[str]) -> list[str]:
    """Addresses without a slash at the end, each once.

    Raises:
        ConfigError: no address, or one that isn't ``http://`` or ``https://``.
    """
    known = list(dict.fromkeys(url.strip().rstrip("/").removesuffix("/v1") for url in urls if url.strip()))
    for url in known:
        parsed = httpx.URL(url)
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise ConfigError(f"SIDRA_VLLM_URLS: {url!r} isn't an address such as http://127.0.0.1:8019")
    if not known:
        raise ConfigError(
            "SIDRA_VLLM_URLS names no server; start one with `sidra serve-generator` and give its address, "
            "such as http://127.0.0.1:8019"
        )
    return known


def _other_release(release: str, found: str) -> str:
    return f"it doesn't answer for release {release!r} ({found}); start it again with `sidra serve-generator`"


def _message(response: httpx.Response) -> str:
    try:
        body = response.json()
        error = body.get("error", body)
        return str(error.get("message", error))[:500]
    except (ValueError, AttributeError):
        return f"HTTP {response.status_code}"

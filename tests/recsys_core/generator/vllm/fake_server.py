"""A stand-in for a vLLM server: the same addresses and answers, our own plug-in code, a tiny model, faults on demand."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import torch

from recsys_core.generator.vllm.masking import constrain_
from recsys_core.generator.vllm.pool import model_name
from recsys_core.generator.vllm.rule import ARGUMENT
from recsys_core.generator.vllm.served import ServedRelease, rule_text


class FakeServer:
    """Serves until :meth:`stop`.

    Args:
        release: rules and prefixes.
        causal: the stock model.
        port: 0 takes a free one.

    Attributes:
        fault: what goes wrong with completions; empty for nothing.
        calls: prompts of each completion, in order of arrival.
    """

    def __init__(self, release: ServedRelease, causal, port: int = 0) -> None:
        self.release = release
        self.causal = causal
        self.model = model_name(release.name)
        self.fault = ""
        self.delay_s = 0.0
        self.calls: list[int] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def complete(self, body: dict) -> tuple[int, object]:
        prompts = body["prompt"]
        self.calls.append(len(prompts))
        if self.fault == "slow":
            time.sleep(self.delay_s)
        if self.fault == "error":
            return 500, {"error": {"message": "inside"}}
        if body["model"] != self.model:
            return 404, {"error": {"message": f"The model `{body['model']}` does not exist."}}
        arguments = body.get("vllm_xargs")
        try:
            self.release.check(arguments, body["max_tokens"])
        except ValueError as error:
            return 400, {"error": {"message": str(error)}}
        logits = self._logits(prompts)
        if rule_text(arguments) is not None and self.fault != "no plug-in":
            text = arguments[ARGUMENT]
            if self.fault == "rule forgotten":
                text = json.dumps({"release": self.release.name, "probabilities": "catalogue"})
            levels = self.release.index.levels
            tails = np.array([([-1] * levels + prompt)[-levels:] for prompt in prompts])
            constrain_(logits, list(range(len(prompts))), tails, [self.release.rule(text)] * len(prompts), self.release)
        best = torch.log_softmax(logits, dim=-1).topk(min(body["logprobs"], logits.shape[1]), dim=-1)
        choices = []
        for number, (tokens, values) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True)):
            top = {f"token_id:{t}": max(v, -9999.0) for t, v in zip(tokens, values, strict=True)}
            if self.fault == "nan":
                top[next(iter(top))] = float("nan")
            if self.fault == "left out":
                top = dict(list(top.items())[: len(top) // 2])
            if self.fault == "too likely":
                top = dict.fromkeys(top, 0.0)
            choices.append({"index": number, "logprobs": {"top_logprobs": [top]}})
        if self.fault == "prompts lost":
            choices.pop()
        return 200, {"model": self.model, "choices": choices[::-1]}

    @torch.no_grad()
    def _logits(self, prompts):
        longest = max(map(len, prompts))
        padded = torch.tensor([prompt + [0] * (longest - len(prompt)) for prompt in prompts])
        last = torch.tensor([len(prompt) - 1 for prompt in prompts])
        return self.causal(padded).logits[torch.arange(len(prompts)), last].float().clone()


def _handler(server: FakeServer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # small answers would wait for the client's acknowledgement of their head
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            if self.path == "/health":
                self._send(200, {})
            else:
                self._send(200, {"data": [{"id": server.model}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if server.fault == "hung up":
                self.close_connection = True
                self.connection.close()
                return
            if server.fault == "gibberish":
                self._send_bytes(200, b"<html>")
                return
            self._send(*server.complete(body))

        def _send(self, status: int, body: object) -> None:
            self._send_bytes(status, json.dumps(body).encode())

        def _send_bytes(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args) -> None:
            pass

    return Handler

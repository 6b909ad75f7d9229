"""The child process: one llama.cpp server on the loopback address, gone when its parent is gone.

Run by `agents.llm.llama_process`; native code is loaded only here, so that its crash can't take the API along. Standard
input is a pipe from the parent; its end means that the parent has died. `--ready-fd` gets a line of JSON with the port
as soon as the model is loaded. The key that requests must carry comes in the environment, not in the arguments, which
other users of the machine can read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading

KEY_VARIABLE = "SIDRA_LLAMA_KEY"
_PROMPT_CACHE_MIB = 256


def main() -> None:
    """Load the weights, report the port, serve until the parent closes the pipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--context", type=int, default=2048, help="tokens for each slot")
    parser.add_argument("--slots", type=int, default=3)
    parser.add_argument("--slot-folder", default="", help="where slots may be saved to and restored from")
    parser.add_argument("--ready-fd", type=int, default=None)
    arguments = parser.parse_args()
    threading.Thread(target=_exit_with_parent, daemon=True).start()

    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.gguf
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = arguments.port
    parameters.api_keys = [os.environ[KEY_VARIABLE]] if os.environ.get(KEY_VARIABLE) else []
    parameters.ui = False
    parameters.endpoint_slots = True
    if arguments.slot_folder:
        parameters.slot_save_path = os.path.join(arguments.slot_folder, "")  # llama.cpp wants the closing slash
    parameters.cpuparams.n_threads = arguments.threads
    parameters.cpuparams_batch.n_threads = arguments.threads
    # One slot for each prompt family: a request goes to the slot whose beginning it shares, so every family keeps its
    # unchanging beginning read. The RAM cache gives a beginning back after a crowd of users has taken its slot.
    parameters.n_parallel = arguments.slots
    parameters.n_ctx = arguments.context * arguments.slots
    parameters.kv_unified = False
    parameters.slot_prompt_similarity = 0.3
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB
    parameters.n_threads_http = 4
    server = xllamacpp.Server(parameters)

    if arguments.ready_fd is not None:
        with os.fdopen(arguments.ready_fd, "w", encoding="utf-8") as ready:
            ready.write(json.dumps({"port": int(server.listening_address.rsplit(":", 1)[-1])}) + "\n")
    threading.Event().wait()


def _exit_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # native threads would keep an ordinary exit waiting


if __name__ == "__main__":
    main()

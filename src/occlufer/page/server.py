"""The page's server: this machine alone, bounded questions, and not a word to anybody else."""

from __future__ import annotations

import json
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from occlufer.page.answers import SAMPLES, Answers, sample
from occlufer.types import ConfigError, OccluferError

HOST = "127.0.0.1"
MAX_BYTES = 30_000_000
"""Of one upload."""

_STATIC = Path(__file__).resolve().parent / "static"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
# The browser itself refuses whatever would leave this machine.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PATIENCE = 30  # seconds without a byte


class PageServer(ThreadingHTTPServer):
    """Serves the page on `HOST`; `serve_forever` until Ctrl-C.

    Args:
        answers: what is said.
        port: 0: any that is free, see `url`.

    Raises:
        ConfigError: the port is taken, or not for us.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, answers: Answers, port: int) -> None:
        self.answers = answers
        self.one_at_a_time = threading.Lock()  # mediapipe's graphs are not for several threads
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"The page cannot be served at {HOST}:{port}: {getattr(error, 'strerror', None) or error}. "
                "Try another port: occlufer demo --port 0 takes any that is free."
            ) from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no fault."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{HOST}:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "occlufer", ""
    timeout = _PATIENCE

    def do_GET(self) -> None:  # the name is http.server's
        if not self._is_ours():
            return
        path = urlsplit(self.path).path
        if path in _FILES:
            name, kind = _FILES[path]
            self._send(HTTPStatus.OK, (_STATIC / name).read_bytes(), kind)
        elif path == "/choices":
            self._say(self.server.answers.choices() | {"most_bytes": MAX_BYTES})
        elif path.removeprefix("/sample/") in map(str, range(SAMPLES)):
            self._send(HTTPStatus.OK, sample(int(path.removeprefix("/sample/"))), "image/png")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")

    def do_POST(self) -> None:
        if not self._is_ours() or (content := self._content()) is None:
            return
        path = urlsplit(self.path).path
        try:
            if path == "/faces":
                with self.server.one_at_a_time:
                    said = self.server.answers.faces(content)
            elif path == "/under":
                asked = json.loads(content)
                with self.server.one_at_a_time:
                    said = self.server.answers.under(asked if isinstance(asked, dict) else {})
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")
                return
        except OccluferError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (ValueError, RecursionError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"This is no question of the page ({error}).")
        else:
            self._say(said)

    def _is_ours(self) -> bool:
        """Refuse what another site's page sends here, by its own name for this machine or across sites."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host.rpartition(":")[0] in (HOST, "localhost") and origin in (None, f"http://{host}"):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, f"This page is for this machine alone; open {self.server.url}.")
        return False

    def _content(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "A question needs a length.")
        elif len(length) > 12 or int(length) > MAX_BYTES:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"This file has more than {MAX_BYTES // 1_000_000} MB."
            )
        else:
            content = self.rfile.read(int(length))
            if len(content) == int(length):
                return content
            self.close_connection = True
        return None

    def _say(self, value: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what was sent along may lie unread
        self._say({"error": why}, status)

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": "no-store",
            "Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
        }  # fmt: skip
        for name, text in (headers | ({"Connection": "close"} if self.close_connection else {})).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: file names and times are nobody's business."""

"""The page's server over HTTP: what it gives, and what it refuses."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from occlufer.page import server as server_module
from occlufer.page.server import MAX_BYTES, PageServer
from occlufer.types import ConfigError, ImageError


class Echo:
    """Answers that need no network."""

    def choices(self) -> dict[str, Any]:
        return {"classes": ["happiness"]}

    def faces(self, content: bytes) -> dict[str, Any]:
        if content == b"bad":
            raise ImageError("This file: is not an image.")
        return {"bytes": len(content)}

    def under(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"asked": asked}


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    with PageServer(Echo(), 0) as made:  # type: ignore[arg-type]
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(
    server: PageServer, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, body, named)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_the_page_names_no_other_machine_and_the_browser_is_told_so(server):
    for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
        status, content, headers = ask(server, path)
        assert (status, headers["Content-Type"].split(";")[0]) == (200, kind)
        assert b"//" not in content.replace(b"http://www.w3.org/2000/svg", b"").replace(b"// ", b"")
        policy = headers["Content-Security-Policy"]
        assert policy.startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
        )
        assert "http" not in policy
        assert headers["Cache-Control"] == "no-store"
    for path in ("/../server.py", "/sample/7", "/sample/-1", "/sample/x", "/static/page.js", "/page.py"):
        assert ask(server, path)[0] == 404


def test_questions_are_answered_as_json(server):
    assert json.loads(ask(server, "/choices")[1]) == {"classes": ["happiness"], "most_bytes": MAX_BYTES}
    assert json.loads(ask(server, "/faces", b"12345")[1]) == {"bytes": 5}
    assert json.loads(ask(server, "/under", b'{"a": 1}')[1]) == {"asked": {"a": 1}}
    assert json.loads(ask(server, "/under", b"[1]")[1]) == {"asked": {}}
    status, content, headers = ask(server, "/sample/0")
    assert (status, headers["Content-Type"], content[:4]) == (200, "image/png", b"\x89PNG")


def test_what_is_wrong_is_an_answer_and_not_an_end(server):
    for path, body, status, message in (
        ("/faces", b"bad", 400, "This file: is not an image."),
        ("/under", b"{", 400, "no question of the page"),
        ("/under", b"\xff\xfe", 400, "no question of the page"),
        ("/under", b"[" * 100_000, 400, "no question of the page"),
        ("/elsewhere", b"", 404, "There is no such page."),
    ):
        found = ask(server, path, body)
        assert (found[0], message in json.loads(found[1])["error"]) == (status, True), found
    assert ask(server, "/faces", b"good")[0] == 200


def test_an_upload_is_refused_by_its_length_before_it_is_read(server):
    for length, status in ((str(MAX_BYTES + 1), 413), ("9" * 5000, 413), ("-1", 411), ("many", 411)):
        with socket.create_connection(server.server_address[:2], timeout=20) as connection:
            head = f"POST /faces HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(1 << 16).startswith(f"HTTP/1.1 {status} ".encode()), length


def test_another_site_cannot_use_it(server):
    """Neither by a name of its own for 127.0.0.1 (DNS rebinding) nor from a page of its own."""
    here = f"127.0.0.1:{server.server_address[1]}"
    assert ask(server, "/choices", Host="evil.example:80")[0] == 403
    assert ask(server, "/choices", Host="127.0.0.1.evil.example:80")[0] == 403
    assert ask(server, "/faces", b"x", Origin="http://evil.example")[0] == 403
    assert ask(server, "/faces", b"x", Origin="null")[0] == 403
    assert ask(server, "/faces", b"x", Origin=f"http://{here}")[0] == 200
    assert ask(server, "/faces", b"x", Host="localhost:8000", Origin="http://localhost:8000")[0] == 200
    assert "Access-Control-Allow-Origin" not in ask(server, "/choices")[2]


def test_a_browser_that_goes_away_or_says_nothing_holds_nobody_up(server, monkeypatch, capfd):
    monkeypatch.setattr(server_module._Handler, "timeout", 0.2)
    half = b"POST /faces HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 100\r\n\r\nhalf"
    with socket.create_connection(server.server_address[:2], timeout=20) as connection:
        connection.sendall(half)
    with socket.create_connection(server.server_address[:2], timeout=20) as silent:
        silent.sendall(half)
        assert ask(server, "/faces", b"12345")[0] == 200
        assert silent.recv(100) == b""
    assert "Traceback" not in capfd.readouterr().err


def test_a_port_that_is_taken_is_said(server):
    with pytest.raises(ConfigError, match=r"in use.*occlufer demo --port 0"):
        PageServer(Echo(), server.server_address[1])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"cannot be served at 127\.0\.0\.1:99999"):
        PageServer(Echo(), 99999)  # type: ignore[arg-type]

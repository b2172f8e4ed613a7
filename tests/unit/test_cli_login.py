"""`nanogrid login` against a real server: the token is tried before it is kept."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app


class OneToken(BaseHTTPRequestHandler):
    """Lists no functions to whoever has the token."""

    def do_GET(self):
        welcome = self.headers["Authorization"] == "Bearer right"
        body = json.dumps({"items": []} if welcome else {"code": "unauthorized", "detail": "a wrong token."}).encode()
        self.send_response(200 if welcome else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), OneToken) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def call(folder, *arguments, stdin=None):
    environ = {"XDG_CONFIG_HOME": str(folder), "NANOGRID_DATA": str(folder)}
    return CliRunner().invoke(make_app(environ=environ), arguments, input=stdin)


def test_a_token_from_stdin_is_kept_and_used(tmp_path, address):
    login = call(tmp_path, "login", address, "--token-stdin", stdin="right\n")
    listed = call(tmp_path, "functions", "--json")

    assert login.exit_code == listed.exit_code == ExitCode.OK
    assert json.loads(listed.stdout) == []
    assert "right" not in login.stdout


def test_the_address_of_the_console_brings_its_token_along(tmp_path, address):
    assert call(tmp_path, "login", f"{address}/#token=right").exit_code == ExitCode.OK
    assert call(tmp_path, "functions").exit_code == ExitCode.OK


def test_a_wrong_token_is_not_kept(tmp_path, address):
    done = call(tmp_path, "login", address, "--token-stdin", stdin="wrong\n")

    assert done.exit_code == ExitCode.REFUSED
    assert call(tmp_path, "logout").stdout == "There was no login.\n"


def test_after_logout_the_grid_is_not_known_any_more(tmp_path, address):
    call(tmp_path, "login", address, "--token-stdin", stdin="right\n")

    assert call(tmp_path, "logout").stdout == "Logged out.\n"
    assert call(tmp_path, "functions").exit_code == ExitCode.UNREACHABLE


def test_without_a_token_there_is_no_login(tmp_path, address):
    assert call(tmp_path, "login", address).exit_code == ExitCode.USAGE

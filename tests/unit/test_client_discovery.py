"""Which grid the SDK speaks to, and which token goes there."""

import json

import pytest

from nanogrid import config
from nanogrid.client import ConnectionFailed
from nanogrid.client.discovery import Place, data_folder, find, forget_login, keep_login, login_file
from nanogrid.errors import ConfigError

LOCAL = "http://127.0.0.1:8080"


@pytest.fixture
def environ(tmp_path):
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "NANOGRID_DATA": str(tmp_path / "data")}


@pytest.fixture
def local(environ, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "address").write_text(LOCAL + "\n")
    (tmp_path / "data" / "token").write_text("local-token\n")
    return environ


def test_arguments_come_before_everything_else(local):
    place = find("https://given.test/", "given", {**local, "NANOGRID_URL": "https://env.test", "NANOGRID_TOKEN": "env"})

    assert place == Place("https://given.test", "given")


def test_the_environment_comes_before_what_is_kept(local):
    place = find(None, None, {**local, "NANOGRID_URL": "https://env.test", "NANOGRID_TOKEN": "env"})

    assert place == Place("https://env.test", "env")


def test_a_login_comes_before_the_local_grid(local):
    keep_login(Place("https://far.test", "far-token"), local)

    assert find(None, None, local) == Place("https://far.test", "far-token")


def test_the_local_grid_is_found_by_its_data_folder(local):
    assert find(None, None, local) == Place(LOCAL, "local-token")


def test_a_kept_token_goes_to_no_other_address(local):
    keep_login(Place("https://far.test", "far-token"), local)

    assert find("https://evil.test", None, local).token is None
    assert find(LOCAL, None, local).token == "local-token"


def test_without_any_grid_the_error_says_how_to_get_one(environ):
    with pytest.raises(ConnectionFailed, match="nanogrid up"):
        find(None, None, environ)


# what is no address of a grid
@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x.test", "http://", "nonsense"])
def test_what_is_no_address_is_refused(environ, url):
    with pytest.raises(ConfigError, match="no address"):
        find(url, None, environ)


def test_the_login_is_readable_for_its_user_only(environ):
    path = keep_login(Place(LOCAL, "t"), environ)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(path.read_text()) == {"url": LOCAL, "token": "t"}


def test_a_second_login_replaces_the_first_and_can_be_forgotten(environ):
    keep_login(Place("https://one.test", "1"), environ)
    keep_login(Place("https://two.test", "2"), environ)

    assert find(None, None, environ).url == "https://two.test"
    assert (forget_login(environ), forget_login(environ)) == (True, False)


def test_a_spoilt_login_is_named(environ):
    path = keep_login(Place(LOCAL, "t"), environ)
    path.write_text("[]")

    with pytest.raises(ConfigError, match=r"login\.json cannot be read"):
        find(None, None, environ)


def test_client_and_grid_agree_on_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    assert data_folder({"XDG_DATA_HOME": str(tmp_path)}) == config.default_data_folder()


def test_without_xdg_the_login_is_below_the_home_folder():
    assert login_file({}).parts[-3:] == (".config", "nanogrid", "login.json")

"""The engine's client, before an engine that answers as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nanogrid.errors import ConfigError, SandboxUnavailable
from nanogrid.sandbox.engine import DEFAULT_SOCKET, Engine, engine_socket

VERSION = {"Version": "29.0.0", "ApiVersion": "1.52", "MinAPIVersion": "1.24"}


class FakeEngine:
    """Answers each path with what the table says, in the pieces that it says, and remembers what it was asked."""

    def __init__(self, answers: dict[str, tuple[int, list[bytes]]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        self.asked.append(f"{method} {path}")
        status, pieces = self.answers[path.partition("?")[0]]
        writer.write(f"HTTP/1.1 {status} .\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for piece in pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        writer.close()


@asynccontextmanager
async def engine(folder: Path, **answers: tuple[int, list[bytes]]) -> AsyncIterator[tuple[Engine, FakeEngine]]:
    fake = FakeEngine({f"/{name.replace('__', '/')}": answer for name, answer in answers.items()})
    server = await asyncio.start_unix_server(fake.serve, folder / "socket")
    client = Engine(folder / "socket")
    try:
        yield client, fake
    finally:
        await client.close()
        server.close()


def ok(value: object) -> tuple[int, list[bytes]]:
    return 200, [json.dumps(value).encode()]


#: The oldest and the newest that the engine speaks, and what we speak with it.
@pytest.mark.parametrize(("oldest", "newest", "spoken"), [("1.12", "1.41", "v1.41"), ("1.44", "1.52", "v1.44")])
async def test_the_oldest_common_dialect_is_spoken(tmp_path, oldest, newest, spoken):
    version = ok(VERSION | {"ApiVersion": newest, "MinAPIVersion": oldest})
    async with engine(tmp_path, version=version) as (client, fake):
        await client.agree()
        fake.answers[f"/{spoken}/images/x/json"] = (404, [b"{}"])

        assert await client.image("x") is None
        assert fake.asked == ["GET /version", f"GET /{spoken}/images/x/json"]


async def test_an_engine_that_is_too_old_is_refused(tmp_path):
    async with engine(tmp_path, version=ok(VERSION | {"ApiVersion": "1.40"})) as (client, _):
        with pytest.raises(SandboxUnavailable, match=r"speaks API 1\.40\. Docker 20\.10"):
            await client.agree()


async def test_a_refusal_carries_the_engines_own_words(tmp_path):
    async with engine(tmp_path, containers__x__start=(404, [b'{"message": "no such program"}'])) as (client, _):
        with pytest.raises(SandboxUnavailable, match=r"POST /containers/x/start: no such program \(404\)"):
            await client.start("x")


async def test_an_answer_that_cannot_be_read_is_the_engines_fault(tmp_path):
    async with engine(tmp_path, info=(200, [b"<html>"])) as (client, _):
        with pytest.raises(SandboxUnavailable, match="/info can't be read"):
            await client.info()


async def test_removing_what_is_not_there_is_no_error(tmp_path):
    async with engine(tmp_path, containers__x=(404, [b'{"message": "gone"}'])) as (client, _):
        assert await client.remove("x") is None


async def test_a_removal_that_is_under_way_is_waited_for(tmp_path):
    answers = {"containers__x": (409, [b"{}"]), "containers__x__wait": ok({"StatusCode": 0})}
    async with engine(tmp_path, **answers) as (client, fake):
        await client.remove("x")

    assert fake.asked[1] == "POST /containers/x/wait?condition=removed"


async def test_a_report_is_whole_however_it_was_cut(tmp_path):
    said: list[str] = []
    line = '{"stream": "Schritt für Schritt"}\n'.encode()
    pieces = [line[at : at + 1] for at in range(len(line))]
    async with engine(tmp_path, build=(200, [*pieces, line + line])) as (client, _):
        await client.build(b"", {}, said.append)

    assert said == ["Schritt für Schritt"] * 3


async def test_an_error_in_the_middle_of_a_good_answer_is_an_error(tmp_path):
    async with engine(tmp_path, build=(200, [b'{"stream": "Step 1"}\n', b'{"error": "no base"}\n'])) as (client, _):
        with pytest.raises(SandboxUnavailable, match="no base"):
            await client.build(b"", {})


def test_only_an_engine_of_this_machine_will_do():
    assert engine_socket("") == DEFAULT_SOCKET
    assert engine_socket("unix:///run/user/1000/docker.sock") == Path("/run/user/1000/docker.sock")
    with pytest.raises(ConfigError, match="tcp://build:2375"):
        engine_socket("tcp://build:2375")

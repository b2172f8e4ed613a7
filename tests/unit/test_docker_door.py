"""A door opens once, to whoever comes first."""

import array
import os
import socket
from contextlib import contextmanager

import pytest

from nanogrid.sandbox.docker_door import Door


@contextmanager
def knock(folder):
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(folder / "socket"))
        yield visitor


async def test_the_first_to_come_is_given_the_descriptors(tmp_path):
    door = Door(tmp_path / "door")
    reading, writing = os.pipe()
    with knock(tmp_path / "door") as visitor:
        await door.hand_over(writing)
        _, messages, _, _ = visitor.recvmsg(1, socket.CMSG_SPACE(4))
    (given,) = array.array("i", messages[0][2])
    os.write(given, b"here")

    assert os.read(reading, 4) == b"here"
    for descriptor in (reading, writing, given):
        os.close(descriptor)


async def test_nobody_comes_after_the_first(tmp_path):
    door = Door(tmp_path / "door")
    with knock(tmp_path / "door"):
        await door.hand_over(0)

    assert list((tmp_path / "door").iterdir()) == []
    with pytest.raises(FileNotFoundError), knock(tmp_path / "door"):
        pass


async def test_a_path_may_be_longer_than_an_address(tmp_path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    door = Door(folder / "door")

    assert (folder / "door" / "socket").is_socket()
    door.close()

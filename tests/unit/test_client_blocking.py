"""The blocking client: the same methods, on a thread of their own."""

import inspect
import signal
import threading

import pytest
from fake_grid import FakeGrid

from nanogrid import AsyncClient, Client
from nanogrid.client import FunctionFailed


def test_everything_works_without_async():
    grid = FakeGrid()
    grid.add("double", lambda event: event * 2)

    with grid.blocking() as client:
        outputs = (
            client.run("double", 21),
            client.submit("double", 4).result(timeout=5),
            [function.name for function in client.functions()],
            list(client.map("double", range(5), concurrency=2)),
            [entry.text for entry in client.logs("double")],
        )

    assert outputs == (42, 8, ["double"], [0, 2, 4, 6, 8], ["line 0", "line 1"])


def test_it_has_every_public_method_of_the_asynchronous_client():
    public = {name for name, _ in inspect.getmembers(AsyncClient) if not name.startswith("_")}

    assert public <= set(dir(Client))


def test_it_tells_the_same_about_each_method():
    for name in ("run", "deploy", "functions"):
        assert getattr(Client, name).__doc__ == getattr(AsyncClient, name).__doc__
        assert inspect.signature(getattr(Client, name)) == inspect.signature(getattr(AsyncClient, name))


def test_errors_are_raised_in_the_callers_thread():
    grid = FakeGrid()
    grid.add("divide", lambda event: event / 0)

    with grid.blocking() as client, pytest.raises(FunctionFailed):
        client.run("divide", 1)


def test_an_iteration_may_be_left_in_the_middle():
    grid = FakeGrid()
    grid.add("echo")

    with grid.blocking() as client:
        first = next(client.map("echo", iter(int, 1), concurrency=2))

    assert first == 0


def test_inputs_that_block_while_they_are_read_do_not_stop_the_runs():
    grid = FakeGrid()
    grid.add("echo")
    seen = threading.Event()

    def inputs():
        yield 1
        assert seen.wait(10)
        yield 2

    with grid.blocking() as client:
        outputs = client.map("echo", inputs(), concurrency=4)
        first = next(outputs)
        seen.set()
        rest = list(outputs)

    assert (first, rest) == (1, [2])


def test_closing_twice_does_no_harm_and_a_closed_client_says_so():
    client = FakeGrid().blocking()
    client.close()
    client.close()

    with pytest.raises(RuntimeError, match="closed"):
        client.run("echo", 1)


def test_closing_ends_its_thread():
    client = FakeGrid().blocking()

    client.close()

    assert client._thread.closed
    assert not client._thread._thread.is_alive()


@pytest.fixture
def interruptible():
    """A shell that starts tests in the background lets them ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_waiting_and_leaves_the_client_usable():
    grid = FakeGrid()
    grid.add("echo")
    main = threading.get_ident()

    def inputs():
        yield 1
        signal.pthread_kill(main, signal.SIGINT)
        yield 2

    with grid.blocking() as client:
        with pytest.raises(KeyboardInterrupt):
            list(client.map("echo", inputs(), concurrency=1))
        output = client.run("echo", 3)

    assert output == 3

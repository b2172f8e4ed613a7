"""Clients of the front door that do not give up: they ask, are cut off, ask again, and write down what they saw."""

import asyncio
from collections.abc import Callable, Iterator

import httpx

from chaos.history import ENDED, History
from chaos.workload import Request

#: What a synchronous request waits before it takes a 202, in seconds.
_SYNC_WAIT_S = 2
_PAUSE_S = 0.1
_REFUSALS = {429, 503}


class Clients:
    """Many clients with one history. `address` says where the grid is now."""

    def __init__(
        self, history: History, address: Callable[[], str], token: str, *, most_open: int, answer_s: float
    ) -> None:
        """No more than `most_open` promised runs are left open; none waits longer than `answer_s` for an answer."""
        self.history = history
        #: How many requests the grid has answered with a run.
        self.accepted = 0
        self._address = address
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"},
            timeout=answer_s,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2.0),
        )
        self._room = asyncio.Semaphore(most_open)
        self._open: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        await self._http.aclose()

    async def submit(self, requests: Iterator[Request], wanted: Callable[[], bool]) -> None:
        """Ask for one after the other while more are wanted."""
        while wanted():
            await self._ask(next(requests))

    async def watch(self) -> None:
        """Return when every run that was promised so far has ended."""
        while self._open:
            await asyncio.wait(self._open)

    def cancel(self) -> None:
        """Do not wait for anything any more."""
        for task in self._open:
            task.cancel()

    async def found(self) -> dict[str, dict]:
        """Every run that the grid knows, in full, by id."""
        found: dict[str, dict] = {}
        cursor: str | None = None
        while True:
            page = await self.get("/runs", limit="200", **({"cursor": cursor} if cursor else {}))
            for record in page["items"]:
                found[record["runId"]] = await self._in_full(record)
            cursor = page["nextCursor"]
            if cursor is None:
                return found

    async def get(self, path: str, **query: str) -> dict:
        """Ask until the grid answers."""
        while True:
            try:
                answer = await self._http.get(self._address() + path, params=query)
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if answer.status_code not in _REFUSALS:
                return answer.json()
            await asyncio.sleep(_PAUSE_S)

    async def deploy(self, name: str, source: str, **settings: object) -> None:
        body = {"name": name, "runtime": "python3", "source": source, **settings}
        answer = await self._http.post(f"{self._address()}/functions", json=body)
        answer.raise_for_status()

    async def _in_full(self, record: dict) -> dict:
        """The listing has no inputs; the output has the token too, where there is one."""
        token = (record["output"] or {}).get("token") or self.history.promised.get(record["runId"])
        if token is None:
            return await self.get(f"/runs/{record['runId']}")
        return record | {"input": {"token": token}}

    async def _ask(self, request: Request) -> None:
        while True:
            await self._room.acquire()
            answer = await self._post(request)
            self.accepted += answer is not None and answer.is_success
            if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                self._expect(answer.json()["runId"], request.token)
                return
            self._room.release()
            if answer is not None and answer.status_code == httpx.codes.OK:
                self._answered(answer.json(), request)
                return
            if answer is None and not request.keyed:
                return  # nobody knows whether it was accepted, and asking again would be asking for another
            await asyncio.sleep(_PAUSE_S)

    async def _post(self, request: Request) -> httpx.Response | None:
        """The grid's answer; None where nobody knows what became of the request."""
        headers = {"Prefer": f"wait={_SYNC_WAIT_S}" if request.sync else "respond-async"}
        if request.keyed:
            headers["Idempotency-Key"] = request.token
            self.history.keyed.add(request.token)
        self.history.asked[request.token] += 1
        body = {"functionId": request.function, "input": request.input, "mode": "sync" if request.sync else "async"}
        try:
            answer = await self._http.post(f"{self._address()}/run", json=body, headers=headers)
        except httpx.ConnectError:
            self.history.refused[request.token] += 1
            return httpx.Response(503)
        except httpx.TransportError:
            return None
        if answer.status_code in _REFUSALS:
            self.history.refused[request.token] += 1
        elif answer.status_code not in (httpx.codes.OK, httpx.codes.ACCEPTED):
            raise AssertionError(f"{answer.status_code} {answer.text}")
        return answer

    def _answered(self, record: dict, request: Request) -> None:
        """A 200: of a run that has ended, and was perhaps promised before."""
        self.history.tell(record)
        if request.keyed:
            self.history.promised[record["runId"]] = request.token

    def _expect(self, run_id: str, token: str) -> None:
        self.history.promised[run_id] = token
        task = asyncio.create_task(self._watch_one(run_id))
        self._open.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._room.release()

    async def _watch_one(self, run_id: str) -> None:
        while True:
            record = await self.get(f"/runs/{run_id}", waitMs="10000")
            if record.get("status") in ENDED:
                self.history.tell(record)
                return
            if "status" not in record or record["status"] == 404:
                return  # the grid does not know it: the verdict will say that it was lost

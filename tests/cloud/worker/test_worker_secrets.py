"""Secrets on AWS, as a user sees them: set at the front, known to functions in a worker's process."""

import httpx

from aws_place import place
from chaos.aws_front import TOKEN, front_door
from secret_steps import a_function_knows_its_secret


async def test_a_function_knows_its_secret_and_whatever_it_writes_does_not_show_it(tmp_path):
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        place(tmp_path) as grid,
        grid.worker() as worker,
        front_door(grid.settings, grid.environ, tmp_path) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as client,
    ):
        await grid.event("worker.started", worker)
        await a_function_knows_its_secret(client)

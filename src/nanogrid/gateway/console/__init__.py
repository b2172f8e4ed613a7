"""The console: pages for a person, served as they are."""

import re
from importlib import resources

from nanogrid.api.docs_page import HTML, page_policy
from nanogrid.api.message import Answer, Request
from nanogrid.api.route import Route
from nanogrid.api.services import Services

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def console_routes() -> list[Route]:
    """The routes of the console's pages, read once."""
    page = _page("index.html")

    async def show(_request: Request, _services: Services) -> Answer:
        return page

    return [
        Route(
            method="GET",
            path="/",
            operation_id="console",
            summary="The console",
            handler=show,
            answer_media_types=("text/html",),
            public=True,
        )
    ]


def _page(name: str) -> Answer:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    policy = page_policy("".join(_STYLE.findall(text)))
    return Answer(body=text.encode(), media_type=HTML, headers=(("content-security-policy", policy),))

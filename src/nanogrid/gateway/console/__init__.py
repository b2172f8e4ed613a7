"""The console: pages for a person, served as they are; everything they show comes from the public API."""

from importlib import resources

from nanogrid.api.docs_page import HTML
from nanogrid.api.message import Answer, Handler, Request
from nanogrid.api.route import Route
from nanogrid.api.services import Services

#: The kinds of files that are served; whatever else lies beside them is not.
MEDIA_TYPES = {
    ".html": HTML,
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: Only what this grid serves may run or be loaded, nothing inline, and no text ever becomes markup.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = (
    ("content-security-policy", POLICY),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
)
_PAGE = "index.html"


def console_routes() -> list[Route]:
    """One route per file, read once: `/` is the page, `/console/NAME` what it needs. All are public; data is not."""
    return [_route(name) for name in _names()]


def _names() -> list[str]:
    files = (file.name for file in resources.files(__name__).iterdir())
    return sorted(name for name in files if _suffix(name) in MEDIA_TYPES)


def _route(name: str) -> Route:
    media_type = MEDIA_TYPES[_suffix(name)]
    return Route(
        method="GET",
        path="/" if name == _PAGE else f"/console/{name}",
        operation_id="console",
        summary="The console",
        handler=_shows(Answer(body=_content(name), media_type=media_type, headers=_HEADERS)),
        answer_media_types=(media_type.partition(";")[0],),
        public=True,
    )


def _shows(answer: Answer) -> Handler:
    async def show(_request: Request, _services: Services) -> Answer:
        return answer

    return show


def _content(name: str) -> bytes:
    return resources.files(__name__).joinpath(name).read_bytes()


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]

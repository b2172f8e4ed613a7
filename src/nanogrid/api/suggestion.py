"""What a name that no function has was probably meant to be."""

import difflib
from functools import wraps

from nanogrid.api.message import Answer, Handler, Request, Stream
from nanogrid.api.scopes import LOOK
from nanogrid.api.services import Services
from nanogrid.errors import FunctionNotFound

#: Functions that are looked at, in order of name.
_LOOKED_AT = 1000
_PAGE = 200
#: A misspelt name is hardly longer or shorter by more letters; comparing those that are would take its time.
_LETTERS = 3


def suggesting(handler: Handler) -> Handler:
    """The handler; where it finds no function of a name, its error suggests one that the caller may see."""

    @wraps(handler)
    async def call(request: Request, services: Services) -> Answer | Stream:
        try:
            return await handler(request, services)
        except FunctionNotFound as exc:
            meant = await _meant(exc.reference, request, services) if exc.reference else None
            if meant is None:
                raise
            hint = f"Did you mean {meant!r}? {exc.hint}"
            raise FunctionNotFound(exc.detail, reference=exc.reference, hint=hint) from exc

    return call


async def _meant(reference: str, request: Request, services: Services) -> str | None:
    """The nearest name, whatever its case; None where none is near."""
    seen = await _seen(request, services)
    names = {name.casefold(): name for name in seen if abs(len(name) - len(reference)) <= _LETTERS}
    near = difflib.get_close_matches(reference.casefold(), names, n=1)
    return names[near[0]] if near else None


async def _seen(request: Request, services: Services) -> list[str]:
    """The names of the functions that the caller may know of."""
    principal = request.principal
    if principal is None or LOOK.isdisjoint(principal.scopes):
        return []
    names: list[str] = []
    cursor: str | None = None
    while len(names) < _LOOKED_AT:
        page = await services.resource_manager.list_functions(tenant=request.tenant, limit=_PAGE, cursor=cursor)
        names += [function.name for function in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    return names

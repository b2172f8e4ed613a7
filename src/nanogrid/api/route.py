"""One route as a value, and finding the route of a request without a single regular expression."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from nanogrid.api.message import JSON, Answer, Check, Handler
from nanogrid.errors import MethodNotAllowed, NanoGridError, NotFound
from nanogrid.model import Scope

#: Makes the answer that tells an error.
Refuse = Callable[[NanoGridError, str], Answer]
#: As a route's method: every one that a request may have.
ANY = "ANY"
_METHODS = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")


class Route(Struct, frozen=True, kw_only=True):
    """One row of the API: how it is called, what goes in, what comes out, and who does it."""

    method: str
    #: Path template; `{name}` stands for one segment, `{name+}` at the end for all that follow.
    path: str
    operation_id: str
    summary: str
    handler: Handler
    #: The statuses of its good answers.
    statuses: tuple[int, ...] = (200,)
    #: The type of its answer's JSON; None for an answer that is not JSON, or empty.
    answer: Any = None
    answer_media_types: tuple[str, ...] = (JSON,)
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    body_media_types: tuple[str, ...] = (JSON,)
    #: Largest body in bytes; 0 where none is read.
    max_body: int = 0
    #: Request headers that mean something here.
    headers: tuple[str, ...] = ()
    #: Needs no token.
    public: bool = False
    #: Whoever has no token is let in, too, as nobody; the handler decides.
    guests: bool = False
    #: Raises what is to be refused before a body is read.
    check: Check | None = None
    #: Any of these lets a key in.
    scopes: frozenset[Scope] = frozenset({Scope.ADMIN})
    #: Errors of its own, besides those that every route of its kind has.
    refusals: tuple[type[NanoGridError], ...] = ()
    #: How it tells an error to the request of that id, where its clients do not read ours.
    refuse: Refuse | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that lead here, besides HEAD."""
        return _METHODS if self.method == ANY else (self.method,)


class _Node:
    """One position in a path."""

    __slots__ = ("children", "routes", "tail", "variable")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.variable: tuple[str, _Node] | None = None
        #: What takes the whole rest of a path.
        self.tail: tuple[str, _Node] | None = None
        self.routes: dict[str, Route] = {}


class Router:
    """Finds routes: fixed paths by one look-up, the others segment by segment."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Two routes with the same method and path are a mistake of the table: the later one wins."""
        self._root = _Node()
        self._fixed: dict[str, dict[str, Route]] = {}
        for route in routes:
            node = self._place(route)
            node.routes |= dict.fromkeys(route.methods, route)
            if "{" not in route.path:
                self._fixed[route.path] = node.routes

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and what its variables stand for. Raises `NotFound`, `MethodNotAllowed`. HEAD is as GET."""
        params: dict[str, str] = {}
        routes = self._fixed.get(path) or self._walk(path, params)
        if not routes:
            raise NotFound(f"there is nothing under {path[:200]!r}.", hint="See /docs for what there is.")
        route = routes.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = tuple(sorted(routes))
            raise MethodNotAllowed(f"{path[:200]!r} does not take {method[:20]}.", allowed=allowed)
        return route, params

    def _place(self, route: Route) -> _Node:
        node = self._root
        for segment in route.path.split("/")[1:]:
            if segment.endswith("+}"):
                node.tail = node.tail or (segment[1:-2], _Node())
                node = node.tail[1]
            elif segment.startswith("{"):
                node.variable = node.variable or (segment[1:-1], _Node())
                node = node.variable[1]
            else:
                node = node.children.setdefault(segment, _Node())
        return node

    def _walk(self, path: str, params: dict[str, str]) -> dict[str, Route]:
        node = self._root
        segments = path.split("/", 8)[1:]
        for position, segment in enumerate(segments):
            child = node.children.get(segment)
            if child is None and node.variable is not None and segment:
                name, child = node.variable
                params[name] = segment
            if child is None and node.tail is not None:
                params[node.tail[0]] = "/".join(segments[position:])
                return node.tail[1].routes
            if child is None:
                return {}
            node = child
        return node.routes

"""The rows of the route table about versions: going back, aliases, code."""

from nanogrid import errors
from nanogrid.aliases import Alias
from nanogrid.api import scopes, versions
from nanogrid.api.records import AliasChange, AliasMoved, Rollback, VersionQuery
from nanogrid.api.route import Route
from nanogrid.api.scopes import SMALL_BODY
from nanogrid.api.suggestion import suggesting
from nanogrid.model import Function
from nanogrid.ports import Page

VERSION_ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/functions/{id}/rollback",
        operation_id="rollBack",
        summary="Make a new version that is as an earlier one, warm before it is the latest",
        handler=suggesting(versions.roll_back),
        scopes=scopes.DEPLOY,
        body=Rollback,
        max_body=SMALL_BODY,
        answer=Function,
        refusals=(errors.FunctionNotFound, errors.RevisionConflict, errors.VersionBroken),
    ),
    Route(
        method="GET",
        path="/functions/{id}/code",
        operation_id="getCode",
        summary="Read a version's code, as a zip archive",
        handler=suggesting(versions.get_code),
        scopes=scopes.LOOK,
        query=VersionQuery,
        answer_media_types=(versions.ZIP,),
        refusals=(errors.FunctionNotFound, errors.CodeNotFound),
    ),
    Route(
        method="GET",
        path="/functions/{id}/aliases",
        operation_id="listAliases",
        summary="List a function's aliases by name",
        handler=suggesting(versions.list_aliases),
        scopes=scopes.LOOK,
        answer=Page[Alias],
        refusals=(errors.FunctionNotFound,),
    ),
    Route(
        method="GET",
        path="/functions/{id}/aliases/{alias}",
        operation_id="getAlias",
        summary="Read an alias",
        handler=suggesting(versions.get_alias),
        scopes=scopes.LOOK,
        answer=Alias,
        refusals=(errors.FunctionNotFound, errors.AliasNotFound),
    ),
    Route(
        method="PUT",
        path="/functions/{id}/aliases/{alias}",
        operation_id="putAlias",
        summary="Let an alias mean a version, or shares of several, once they are warm",
        handler=suggesting(versions.put_alias),
        scopes=scopes.DEPLOY,
        body=AliasChange,
        max_body=SMALL_BODY,
        answer=AliasMoved,
        refusals=(errors.FunctionNotFound, errors.RevisionConflict, errors.VersionBroken),
    ),
    Route(
        method="DELETE",
        path="/functions/{id}/aliases/{alias}",
        operation_id="deleteAlias",
        summary="Delete an alias; the versions that it meant stay",
        handler=suggesting(versions.delete_alias),
        scopes=scopes.DEPLOY,
        statuses=(204,),
        refusals=(errors.FunctionNotFound, errors.AliasNotFound),
    ),
)

"""The rows of the route table about who may do what, and about what only functions may know."""

from nanogrid import errors
from nanogrid.api import keys, scopes, secrets
from nanogrid.api.records import (
    KeyCreated,
    KeyRequest,
    KeysQuery,
    PageQuery,
    QuotaChange,
    QuotaReport,
    SecretChange,
    TenantQuery,
)
from nanogrid.api.route import Route
from nanogrid.api.scopes import SMALL_BODY
from nanogrid.model import Key
from nanogrid.ports import Page
from nanogrid.secret_store import Secret

ACCESS_ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/keys",
        operation_id="createKey",
        summary="Make a key, whose token is shown this once",
        handler=keys.create_key,
        body=KeyRequest,
        max_body=SMALL_BODY,
        statuses=(201,),
        answer=KeyCreated,
    ),
    Route(
        method="GET",
        path="/keys",
        operation_id="listKeys",
        summary="List a tenant's keys, oldest first",
        handler=keys.list_keys,
        query=KeysQuery,
        answer=Page[Key],
    ),
    Route(
        method="GET",
        path="/keys/{id}",
        operation_id="getKey",
        summary="Read a key, without its token",
        handler=keys.get_key,
        query=TenantQuery,
        answer=Key,
        refusals=(errors.KeyNotFound,),
    ),
    Route(
        method="DELETE",
        path="/keys/{id}",
        operation_id="revokeKey",
        summary="Revoke a key: it opens nothing from now on",
        handler=keys.revoke_key,
        query=TenantQuery,
        statuses=(204,),
        refusals=(errors.KeyNotFound,),
    ),
    Route(
        method="GET",
        path="/quota",
        operation_id="getQuota",
        summary="Read what a tenant may have, and what it has",
        handler=keys.get_quota,
        query=TenantQuery,
        answer=QuotaReport,
    ),
    Route(
        method="PUT",
        path="/quota",
        operation_id="putQuota",
        summary="Set what a tenant may have; the grid's owner only",
        handler=keys.put_quota,
        query=TenantQuery,
        body=QuotaChange,
        max_body=SMALL_BODY,
        answer=QuotaReport,
        refusals=(errors.RevisionConflict,),
    ),
    Route(
        method="PUT",
        path="/secrets/{name}",
        operation_id="putSecret",
        summary="Keep a secret, which no answer ever shows",
        handler=secrets.put_secret,
        scopes=scopes.DEPLOY,
        body=SecretChange,
        max_body=SMALL_BODY,
        answer=Secret,
        refusals=(errors.RevisionConflict, errors.VaultLocked),
    ),
    Route(
        method="GET",
        path="/secrets",
        operation_id="listSecrets",
        summary="List secrets by name, without their values",
        handler=secrets.list_secrets,
        scopes=scopes.DEPLOY,
        query=PageQuery,
        answer=Page[Secret],
    ),
    Route(
        method="DELETE",
        path="/secrets/{name}",
        operation_id="deleteSecret",
        summary="Delete a secret; functions that name it cannot be loaded any more",
        handler=secrets.delete_secret,
        scopes=scopes.DEPLOY,
        statuses=(204,),
        refusals=(errors.SecretNotFound,),
    ),
)

"""The handlers about keys, and about what a tenant may have."""

from msgspec import UNSET

from nanogrid.api.message import Answer, Request, json_answer
from nanogrid.api.reading import read_json, read_query
from nanogrid.api.records import KeyCreated, KeyRequest, KeysQuery, QuotaChange, QuotaReport, TenantQuery
from nanogrid.api.services import Services
from nanogrid.errors import KeyNotFound, ScopeMissing
from nanogrid.identifiers import is_key_id
from nanogrid.model import DEFAULT_TENANT


async def create_key(request: Request, services: Services) -> Answer:
    """Make a key, and show its token this once."""
    asked = await read_json(request, KeyRequest)
    key, token, secret = await services.key_ring.create(
        asked.name,
        tenant=_tenant(request, asked.tenant),
        scopes=asked.scopes,
        functions=asked.functions,
        expires_at=asked.expires_at,
        signs=asked.aws,
    )
    fields = {field: getattr(key, field) for field in key.__struct_fields__}
    created = KeyCreated(token=token, secret_access_key=secret or UNSET, **fields)
    return json_answer(created, status=201, headers=(("location", f"/keys/{key.key_id}"),))


async def list_keys(request: Request, services: Services) -> Answer:
    """A tenant's keys, oldest first."""
    query = read_query(request, KeysQuery)
    tenant = _tenant(request, query.tenant)
    return json_answer(await services.key_ring.list_keys(tenant=tenant, limit=query.limit, cursor=query.cursor))


async def get_key(request: Request, services: Services) -> Answer:
    """One key, without its token."""
    tenant = _tenant(request, read_query(request, TenantQuery).tenant)
    return json_answer(await services.key_ring.get(_key_id(request), tenant=tenant))


async def revoke_key(request: Request, services: Services) -> Answer:
    """Make a key open nothing any more."""
    tenant = _tenant(request, read_query(request, TenantQuery).tenant)
    await services.key_ring.revoke(_key_id(request), tenant=tenant)
    return Answer(status=204)


async def get_quota(request: Request, services: Services) -> Answer:
    """What a tenant may have, and what it has."""
    tenant = _tenant(request, read_query(request, TenantQuery).tenant)
    usage = await services.quotas.usage(tenant)
    return json_answer(QuotaReport(tenant=tenant, quota=services.quotas.of(tenant), usage=usage))


async def put_quota(request: Request, services: Services) -> Answer:
    """Set what a tenant may have."""
    asked = read_query(request, TenantQuery).tenant
    if request.tenant != DEFAULT_TENANT:
        raise ScopeMissing("a quota is set by the grid's owner.", hint=_OWNERS_HINT)
    tenant = _tenant(request, asked)
    await services.quotas.put(tenant, await read_json(request, QuotaChange))
    return await get_quota(request, services)


_OWNERS_HINT = f"It needs an admin key of the tenant {DEFAULT_TENANT!r}."


def _tenant(request: Request, asked: str | None) -> str:
    """The tenant that is meant: one's own, or any for those who look after the grid."""
    if asked in (None, request.tenant):
        return request.tenant
    if request.tenant != DEFAULT_TENANT:
        raise ScopeMissing("another tenant is none of this key's business.", hint=_OWNERS_HINT)
    return str(asked)


def _key_id(request: Request) -> str:
    key_id = request.params["id"]
    if not is_key_id(key_id):
        raise KeyNotFound(f"there is no key {key_id[:80]!r}.", hint="GET /keys lists them.")
    return key_id

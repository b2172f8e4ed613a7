"""The handlers about secrets. None of them ever answers with a value."""

from nanogrid.api.message import Answer, Request, json_answer
from nanogrid.api.reading import read_json, read_query
from nanogrid.api.records import PageQuery, SecretChange, VaultRotated
from nanogrid.api.services import Services
from nanogrid.errors import InvalidField, ScopeMissing, SecretNotFound
from nanogrid.identifiers import is_function_name
from nanogrid.model import DEFAULT_TENANT


async def put_secret(request: Request, services: Services) -> Answer:
    """Keep a secret, or another value of one."""
    name = request.params["name"]
    if not is_function_name(name):
        raise InvalidField(
            f"{name[:80]!r} is no name for a secret.",
            path="$.name",
            hint="Use 1 to 64 letters, digits, '-' and '_', beginning with a letter.",
        )
    asked = await read_json(request, SecretChange)
    return json_answer(await services.secret_store.put(name, asked.value, tenant=request.tenant))


async def list_secrets(request: Request, services: Services) -> Answer:
    """The names of secrets."""
    query = read_query(request, PageQuery)
    page = await services.secret_store.list_secrets(tenant=request.tenant, limit=query.limit, cursor=query.cursor)
    return json_answer(page)


async def delete_secret(request: Request, services: Services) -> Answer:
    """Forget a secret."""
    name = request.params["name"]
    if not is_function_name(name):
        raise SecretNotFound(f"there is no secret {name[:80]!r}.", hint="GET /secrets lists them.")
    await services.secret_store.delete(name, tenant=request.tenant)
    return Answer(status=204)


async def rotate_vault(request: Request, services: Services) -> Answer:
    """Seal all secrets under a new key."""
    if request.tenant != DEFAULT_TENANT:
        raise ScopeMissing(
            "the vault's key is rotated by the grid's owner.",
            hint=f"It needs an admin key of the tenant {DEFAULT_TENANT!r}.",
        )
    return json_answer(VaultRotated(secrets=await services.secret_store.rotate(also=services.key_ring.reseal)))

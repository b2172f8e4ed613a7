"""The stack: its names, and its template with the account's own bucket name written in."""

from importlib import resources

#: The stack's name, and the beginning of every name in it.
STACK = "nanogrid"
DEFAULT_REGION = "ap-northeast-2"
TOKENS_PARAMETER = "/nanogrid/tokens"
#: What the vault's key is called in KMS; the template's `VaultKey`.
VAULT_KEY = "alias/nanogrid-vault"
TABLES = ("NanoGridFunctions", "NanoGridRuns")
#: What the template says before a name is written in; AWS's documentation uses this account, and nobody else does.
_EXAMPLE_BUCKET = "nanogrid-code-bucket-123456789012-ap-northeast-2"


def template() -> str:
    """The template as it is shipped."""
    return resources.files("nanogrid.cloud").joinpath("template.yaml").read_text()


def template_for(account: str, region: str) -> str:
    """The template for one account: the bucket's name is literal, else it could never be taken back into a stack."""
    return template().replace(_EXAMPLE_BUCKET, code_bucket(account, region))


def code_bucket(account: str, region: str) -> str:
    """The name of the bucket with functions' code and large payloads."""
    return f"nanogrid-code-bucket-{account}-{region}"


def artifact_bucket(account: str, region: str) -> str:
    """The name of the bucket with what Lambdas and workers are started from; it belongs to no stack."""
    return f"nanogrid-artifacts-{account}-{region}"

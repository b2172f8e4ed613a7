"""The backend on AWS: S3, DynamoDB, SQS and Redis. Open it with `open_aws`."""

from nanogrid.backends.aws.backend import AwsBackend, open_aws
from nanogrid.backends.aws.settings import AwsSettings

__all__ = ["AwsBackend", "AwsSettings", "open_aws"]

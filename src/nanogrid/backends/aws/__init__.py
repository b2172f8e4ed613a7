"""The backend on AWS: S3, DynamoDB, SQS and Redis."""

from nanogrid.backends.aws.settings import AwsSettings

__all__ = ["AwsSettings"]

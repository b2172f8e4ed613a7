"""The bucket that Lambdas and workers are started from. It belongs to no stack: it has to be there before the first."""

import json
from pathlib import Path

from botocore.exceptions import ClientError

from nanogrid.cloud.deployment.account import Account, code_of
from nanogrid.cloud.deployment.artifacts import Artifact
from nanogrid.cloud.stack import artifact_bucket

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket"})
_CLOSED = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}


class ArtifactStore:
    """Puts artifacts into the account's bucket."""

    def __init__(self, account: Account) -> None:
        """Nothing is made yet."""
        self._s3 = account.client("s3")
        self._region = account.region
        self.bucket = artifact_bucket(account.id, account.region)

    def open(self) -> None:
        """Make the bucket where it is not there; closed, and only to be reached encrypted. Idempotent."""
        try:
            self._s3.head_bucket(Bucket=self.bucket)
        except ClientError as exc:
            if code_of(exc) not in _ABSENT:
                raise
            self._create()
        self._s3.put_public_access_block(Bucket=self.bucket, PublicAccessBlockConfiguration=_CLOSED)
        self._s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(_policy(self.bucket)))

    def put(self, artifact: Artifact) -> bool:
        """Upload it where it is not there yet; whether that was so. Idempotent: keys name contents."""
        try:
            self._s3.head_object(Bucket=self.bucket, Key=artifact.key)
        except ClientError as exc:
            if code_of(exc) not in _ABSENT:
                raise
            self._s3.put_object(Bucket=self.bucket, Key=artifact.key, Body=artifact.content)
            return True
        return False

    def put_file(self, key: str, path: Path) -> None:
        """Upload a large file in parts."""
        self._s3.upload_file(str(path), self.bucket, key)

    def _create(self) -> None:
        where = {} if self._region == "us-east-1" else {"LocationConstraint": self._region}
        extra = {"CreateBucketConfiguration": where} if where else {}
        self._s3.create_bucket(Bucket=self.bucket, **extra)


def empty_bucket(account: Account, bucket: str) -> bool:
    """Delete a bucket with all versions of all that is in it; False where there is none."""
    s3 = account.client("s3")
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            if keys:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        s3.delete_bucket(Bucket=bucket)
    except ClientError as exc:
        if code_of(exc) not in _ABSENT:
            raise
        return False
    return True


def _policy(bucket: str) -> dict[str, object]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "NothingInTheClear",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }

#!/bin/sh
# A function's life with the AWS command line, on a grid. First:
#
#     nanogrid up
#     nanogrid keys create deployer --scope admin --aws > aws.env
#     . ./aws.env
#
# `aws` finds the grid by AWS_ENDPOINT_URL_LAMBDA, and signs with the key. Nothing else is NanoGrid's. Version 2 of the
# AWS command line wants payloads with `--cli-binary-format raw-in-base64-out`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -c 'import shutil, sys; shutil.make_archive("app", "zip", sys.argv[1])' "$here/app"

echo "--- create"
aws lambda create-function --function-name greeter --runtime python3.11 --handler main.handler \
    --role arn:aws:iam::000000000000:role/unused --zip-file fileb://app.zip --publish \
    --query '[FunctionName, State, Version]' --output text

echo "--- invoke, with the tail of its log"
aws lambda invoke --function-name greeter --payload '{"name": "Ada"}' \
    --log-type Tail --query LogResult --output text answer.json | base64 -d
cat answer.json && echo

echo "--- an alias for what is published, then other settings"
aws lambda create-alias --function-name greeter --name live --function-version 1 --query AliasArn --output text
aws lambda update-function-configuration --function-name greeter --environment 'Variables={WORD=Goodbye}' --timeout 5 \
    --query '[LastUpdateStatus, Timeout]' --output text
aws lambda invoke --function-name greeter --qualifier live --payload '{"name": "Ada"}' \
    --query ExecutedVersion --output text answer.json
cat answer.json && echo

echo "--- delete"
aws lambda delete-function --function-name greeter --output text

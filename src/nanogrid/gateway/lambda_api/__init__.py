"""AWS Lambda's own API, as one more face over the same boxes: boto3, the AWS command line, Terraform work unchanged."""

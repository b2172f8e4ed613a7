# The same function with Terraform. First, as walk_through.sh says: a grid, and a key in the environment. Then
#
#     terraform init && terraform apply -var grid=$AWS_ENDPOINT_URL_LAMBDA
#
# No test runs this file: it takes Terraform and its provider. What the provider asks is what the tests of Lambda's API ask.

variable "grid" {
  description = "Where the grid answers."
  default     = "http://127.0.0.1:8080"
}

terraform {
  required_providers {
    aws     = { source = "hashicorp/aws" }
    archive = { source = "hashicorp/archive" }
  }
}

provider "aws" {
  region = "us-east-1"
  # A grid is Lambda, and nothing else of AWS.
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints {
    lambda = var.grid
  }
}

data "archive_file" "app" {
  type        = "zip"
  source_dir  = "${path.module}/app"
  output_path = "${path.module}/app.zip"
}

resource "aws_lambda_function" "greeter" {
  function_name    = "greeter"
  runtime          = "python3.11"
  handler          = "main.handler"
  role             = "arn:aws:iam::000000000000:role/unused"
  filename         = data.archive_file.app.output_path
  source_code_hash = data.archive_file.app.output_base64sha256
  publish          = true

  environment {
    variables = { WORD = "Hello" }
  }

  tags = {
    # What Lambda has no setting for: a function of a grid reaches nothing unless it is told to.
    "nanogrid:network" = "none"
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.greeter.function_name
  function_version = aws_lambda_function.greeter.version
}

output "arn" {
  value = aws_lambda_alias.live.arn
}

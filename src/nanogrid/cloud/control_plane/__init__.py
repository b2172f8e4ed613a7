"""The two Lambdas behind the HTTP API: the same route table as the gateway's, without a web framework."""

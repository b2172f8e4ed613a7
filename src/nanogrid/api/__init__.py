"""The HTTP API without a web framework: one route table, its values, its errors.

The gateway serves it, and so do the Lambdas.
"""

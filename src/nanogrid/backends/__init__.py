"""Adapters: what stands behind the ports. `local` is one machine, `aws` an account."""

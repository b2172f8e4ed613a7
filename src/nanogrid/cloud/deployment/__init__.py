"""What `nanogrid aws` does: builds what the cloud starts from, and makes, changes, shows and removes the stack."""

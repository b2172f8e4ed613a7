"""The command `nanogrid`."""

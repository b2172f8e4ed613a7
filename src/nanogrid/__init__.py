"""NanoGrid runs people's functions: upload code once, run it by name, isolated."""

__version__ = "0.1.0"

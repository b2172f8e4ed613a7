"""Files that lie beside the program in a worker's /opt/nanogrid; `@PYTHON@` stands for its interpreter."""

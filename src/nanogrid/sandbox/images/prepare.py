"""The last step of every image, as root and in the image: what a function may not use is not there at all."""

import compileall
import os
import shutil
import stat

#: Accounts, and what the package manager and the base have left. None of it is needed to run anything.
SUPERFLUOUS = (
    "/etc/passwd /etc/passwd- /etc/shadow /etc/shadow- /etc/group /etc/group- /etc/gshadow /etc/gshadow- /etc/subuid "
    "/etc/subgid /root /home /var/lib /var/log /var/cache /var/backups /var/mail /var/spool /srv /mnt /media /opt "
    "/boot /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale"
).split()
#: Where the driver mounts something.
PLACES = ("/code", "/door")


def main():
    # First, for it loads modules that the next step may take away.
    compileall.compile_dir("/nanogrid", quiet=1)
    for path in SUPERFLUOUS:
        remove(path)
    for path in PLACES:
        os.makedirs(path, exist_ok=True)
    for folder, _, files in os.walk("/usr"):
        for name in files:
            disarm(os.path.join(folder, name))


def remove(path):
    """Remove a file, or all that is in a folder."""
    if os.path.isdir(path):
        for name in os.listdir(path):
            inner = os.path.join(path, name)
            if os.path.isdir(inner) and not os.path.islink(inner):
                shutil.rmtree(inner)
            else:
                os.unlink(inner)
    elif os.path.lexists(path):
        os.unlink(path)


def disarm(path):
    """Take setuid and setgid away."""
    mode = os.lstat(path).st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
        os.chmod(path, stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))


if __name__ == "__main__":
    main()

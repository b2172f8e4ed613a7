"""How large and how deep an archive may be."""

from nanogrid.errors import TooLarge
from nanogrid.model import Record

_MB = 1024 * 1024


class Limits(Record, frozen=True, kw_only=True):
    """Caps on one archive; each is inclusive."""

    #: Size of the upload in bytes.
    zip_bytes: int = 50 * _MB
    #: Size of all files together once inflated, in bytes.
    inflated_bytes: int = 250 * _MB
    #: Files and folders together, folders that are only implied by a file's path included.
    entries: int = 10_000
    #: Inflated bytes per byte of upload.
    ratio: int = 200
    #: Inflated bytes up to which the ratio is not judged: a small file of zeros is no bomb.
    ratio_floor_bytes: int = _MB
    #: Parts of a path.
    levels: int = 20
    #: One part of a path in UTF-8 bytes: what file systems take.
    part_bytes: int = 255
    #: A whole path in UTF-8 bytes.
    path_bytes: int = 1024


DEFAULT_LIMITS = Limits()


def check_upload(size: int, limits: Limits) -> None:
    """Raises `TooLarge` where the archive itself is."""
    if size > limits.zip_bytes:
        raise TooLarge(f"the archive has {size} bytes; {limits.zip_bytes} are allowed.")


def check_inflated(inflated: int, size: int, limits: Limits) -> None:
    """Raises `TooLarge` where an archive of that size inflates to too much."""
    if inflated > limits.inflated_bytes:
        raise TooLarge(f"the archive inflates to {inflated} bytes; {limits.inflated_bytes} are allowed.")
    if inflated > max(limits.ratio_floor_bytes, limits.ratio * size):
        raise TooLarge(f"the archive inflates to more than {limits.ratio} times its size, as only a bomb does.")

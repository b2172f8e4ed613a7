"""What the archive accepts, what it refuses, and what it writes."""

import io
import os
import stat
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile_archives import (
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFREG,
    S_IFSOCK,
    Forgery,
    Member,
    archive_of,
    deflated,
    descriptor,
    quoted_overlap,
    with_zip64_end,
)
from nanogrid.archive import Limits, canonical, from_files, unpack
from nanogrid.errors import ArchiveRefused, InvalidField, TooLarge

MAIN = Member("main.py", b"def handler(event, context): return event\n")
MB = 1024 * 1024


def contents(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below the root, with its content and mode."""
    files = [path for path in root.rglob("*") if not path.is_dir()]
    return {str(path.relative_to(root)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in files}


def test_an_honest_archive_keeps_its_files():
    archive = canonical(archive_of(MAIN, Member("lib/tool.sh", b"#!/bin/sh\n", mode=S_IFREG | 0o755)))

    assert contents(archive.content) == {"main.py": MAIN.data, "lib/tool.sh": b"#!/bin/sh\n"}
    assert archive.files == {"lib/tool.sh": 10, "main.py": len(MAIN.data)}
    assert archive.executable == {"lib/tool.sh"}


def test_equal_files_give_equal_bytes_however_they_were_packed():
    helper = Member("helper.py", b"x = 1\n" * 100)
    one = archive_of(MAIN, helper)
    streamed = Member("main.py", MAIN.data, flags=8, trailer=descriptor(MAIN))
    stored = Member("helper.py", helper.data, method=0, mode=S_IFREG | 0o600)
    two = bytes(Forgery([Member("lib/", mode=S_IFDIR | 0o755), stored, streamed], comment=b"made by hand"))

    assert canonical(one) == canonical(two)


def test_what_was_written_passes_unchanged():
    archive = from_files({"main.py": b"x", "bin/run": b"#!/bin/sh\n"}, executable={"bin/run"})

    assert canonical(archive.content) == archive


def test_nothing_of_the_upload_but_its_files_survives():
    comment = b"not for storing"
    archive = canonical(bytes(Forgery([MAIN], comment=comment)))

    with zipfile.ZipFile(io.BytesIO(archive.content)) as reread:
        (info,) = reread.infolist()
    assert comment not in archive.content
    assert (info.date_time, info.external_attr >> 16) == ((1980, 1, 1, 0, 0, 0), S_IFREG | 0o644)


@pytest.mark.parametrize("marked", [True, False])
def test_streamed_entries_are_read(marked: bool):
    streamed = Member("main.py", MAIN.data, flags=8, trailer=descriptor(MAIN, marked=marked))

    archive = canonical(archive_of(streamed, Member("z.py", b"z")))

    assert contents(archive.content) == {"main.py": MAIN.data, "z.py": b"z"}


def test_archives_of_ordinary_programs_are_read(tmp_path: Path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "ünï.py").write_bytes(b"y = 2\n")
    subprocess.run([sys.executable, "-m", "zipfile", "-c", "made.zip", "pkg/"], cwd=tmp_path, check=True)

    archive = canonical((tmp_path / "made.zip").read_bytes())

    assert dict(archive.files) == {"pkg/ünï.py": 6}


def test_an_archive_is_shown_without_its_bytes():
    assert "content" not in repr(from_files({"main.py": b"x" * 1000}))


BAD_NAMES = [
    ("../evil.py", "part '..'"),
    ("a/../../evil.py", "part '..'"),
    ("a/..", "part '..'"),
    ("./main.py", "part '.'"),
    ("a//b.py", "part ''"),
    ("", "part ''"),
    ("//etc/passwd", "absolute"),
    ("/etc/passwd", "absolute"),
    ("C:/windows.py", "absolute"),
    ("c:evil.py", "absolute"),
    ("..\\evil.py", "backslash"),
    ("a\\b.py", "backslash"),
    ("evil.py\0.txt", "control character"),
    ("line\nbreak.py", "control character"),
    ("colour\x1b[31m.py", "control character"),
    ("x" * 256, "255 bytes"),
    # 128 characters, 256 bytes
    ("é" * 128, "255 bytes"),
    ("/".join("a" * 21), "20 levels"),
    ("/".join(["x" * 200] * 6), "1024 bytes"),
    (b"caf\xe9.py", "not UTF-8"),
]


@pytest.mark.parametrize(("name", "reason"), BAD_NAMES)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str | bytes, reason: str):
    with pytest.raises(ArchiveRefused, match=reason):
        canonical(archive_of(MAIN, Member(name, b"x")))


def test_names_at_the_limits_are_taken():
    names = ["x" * 255, "/".join("a" * 20), "é" * 127, ".hidden", "..almost", "a b.py", "c/D:rive"]

    archive = canonical(archive_of(*(Member(name, b"x") for name in names)))

    assert set(archive.files) == set(names)


BAD_KINDS = [
    (S_IFLNK | 0o777, "link or a special file"),
    (S_IFIFO | 0o644, "link or a special file"),
    (S_IFCHR | 0o644, "link or a special file"),
    (S_IFBLK | 0o644, "link or a special file"),
    (S_IFSOCK | 0o644, "link or a special file"),
    # a folder whose name says file
    (S_IFDIR | 0o755, "link or a special file"),
    (S_IFREG | 0o4755, "setuid"),
    (S_IFREG | 0o2755, "setuid"),
    (S_IFREG | 0o1644, "sticky"),
]


@pytest.mark.parametrize(("mode", "reason"), BAD_KINDS)
def test_only_plain_files_are_taken(mode: int, reason: str):
    with pytest.raises(ArchiveRefused, match=reason):
        canonical(archive_of(MAIN, Member("entry", b"/etc/passwd", mode=mode)))


def test_a_folder_that_is_a_file_or_has_content_is_refused():
    for member in (Member("lib/", mode=S_IFREG | 0o644), Member("lib/", b"content", mode=S_IFDIR | 0o755)):
        with pytest.raises(ArchiveRefused, match="lib/"):
            canonical(archive_of(MAIN, member))


CLASHES = [
    (["a.py", "a.py"], "twice"),
    (["lib/", "lib/", "x.py"], "twice"),
    (["a.py", "A.py"], "only in case"),
    (["lib/a.py", "LIB/b.py"], "only in case"),
    (["straße.py", "STRASSE.py"], "only in case"),
    # composed and decomposed e acute
    (["caf\u00e9.py", "cafe\u0301.py"], "Unicode form"),
    (["lib", "lib/a.py"], "both a file and a folder"),
    (["lib/a.py", "lib"], "both a file and a folder"),
    (["Lib", "lib/"], "both a file and a folder"),
]


@pytest.mark.parametrize(("names", "reason"), CLASHES)
def test_names_that_could_mean_the_same_file_are_refused(names: list[str], reason: str):
    members = [Member(name, mode=(S_IFDIR if name.endswith("/") else S_IFREG) | 0o755) for name in names]

    with pytest.raises(ArchiveRefused, match=reason):
        canonical(archive_of(*members))


LIES = [
    (Member("a", b"x" * 100, size=99), "more than the 99 bytes"),
    (Member("a", b"x" * 100, size=101), "inflates to 100 bytes"),
    (Member("a", b"x" * 100, size=99, method=0), "more than the 99 bytes"),
    (Member("a", b"x", crc=1), "checksum"),
    (Member("a", b"x", compressed=b"\xff\xff\xff"), "cannot be inflated"),
    # the compressed data breaks off
    (Member("a", b"x" * 1000, compressed=deflated(b"x" * 1000)[:-3]), "too early"),
    # something hides behind the compressed data, in the same piece and in a later one
    (Member("a", b"x", compressed=deflated(b"x") + b"hidden"), "too late"),
    (Member("a", b"x", compressed=deflated(b"x") + b"\0" * MB), "behind its compressed data"),
    (Member("a", b"x", flags=1), "encrypted"),
    (Member("a", b"x", flags=0x2000), "encrypted"),
    (Member("a", b"x", method=12), "method 12"),
    (Member("a", b"x", method=9), "method 9"),
    (Member("a", b"x", local_name=b"b"), "another name"),
    (Member("a", b"x", local_method=0), "differs from the directory"),
    (Member("a", b"x", local_size=7), "differs from the directory"),
    # streamed, and the record behind the data says something else
    (Member("a", b"x", flags=8, trailer=descriptor(Member("a", b"y"))), "foreign data"),
    (Member("a", b"x", size=0xFFFFFFFF), "inflates to"),
    (Member("a", b"x", offset=0xFFFFFFFF), "foreign data before it"),
    (Member("a", b"x", offset=10), "overlaps"),
]


@pytest.mark.parametrize(("member", "reason"), LIES)
def test_headers_that_lie_are_refused(member: Member, reason: str):
    with pytest.raises((ArchiveRefused, TooLarge), match=reason):
        canonical(archive_of(member, Member("z.py", b"z")))


FORGERIES = [
    (b"", "no ZIP archive"),
    (b"hello", "no ZIP archive"),
    (archive_of(MAIN)[:-1], "no ZIP archive|foreign data after"),
    (archive_of(MAIN)[:-30], "no ZIP archive"),
    (archive_of(), "no files"),
    (archive_of(Member("only/", mode=S_IFDIR | 0o755)), "no files"),
    (bytes(Forgery([MAIN], before=b"#!/bin/sh\n")), "foreign data before it"),
    (bytes(Forgery([MAIN], between=b"hidden")), "foreign data before its directory"),
    (bytes(Forgery([MAIN], before_end=b"hidden")), "does not end where"),
    (bytes(Forgery([MAIN], after=b"hidden")), "foreign data after its end"),
    (bytes(Forgery([MAIN], count=2)), "cut off"),
    (bytes(Forgery([MAIN], count=0)), "more in its directory"),
    (bytes(Forgery([MAIN], disk=1)), "one part of several"),
    # a second end record in the comment of the first
    (bytes(Forgery([MAIN], comment=archive_of(Member("other.py", b"y")))), "does not end where"),
    # a whole archive behind another
    (archive_of(Member("hidden.py", b"y")) + archive_of(MAIN), "does not end where"),
    (with_zip64_end([MAIN]), "ZIP64"),
    (quoted_overlap(50, 1000), "overlaps"),
]


@pytest.mark.parametrize(("upload", "reason"), FORGERIES)
def test_bytes_with_two_readings_are_refused(upload: bytes, reason: str):
    with pytest.raises(ArchiveRefused, match=reason):
        canonical(upload)


def test_a_refusal_names_the_entry_and_the_field():
    with pytest.raises(InvalidField, match=r"entry '\.\./evil\.py'") as refusal:
        canonical(archive_of(MAIN, Member("../evil.py", b"x")))

    assert refusal.value.path == "$.zip"
    assert refusal.value.hint


BOMBS = [
    # honest headers: refused before anything is inflated
    (archive_of(Member("zeros", b"", compressed=deflated(b""), size=1024 * MB)), "bytes; .* are allowed"),
    (archive_of(Member("zeros", b"\0" * (8 * MB))), "200 times"),
    (archive_of(*(Member(f"{i}", b"\0" * MB) for i in range(4))), "200 times"),
]


@pytest.mark.parametrize(("upload", "reason"), BOMBS)
def test_a_bomb_is_too_large(upload: bytes, reason: str):
    with pytest.raises(TooLarge, match=reason):
        canonical(upload)


def test_a_bomb_with_a_modest_header_is_inflated_no_further_than_it_promised():
    bomb = archive_of(Member("zeros", b"\0" * (64 * MB), size=1000))

    tracemalloc.start()
    with pytest.raises(ArchiveRefused, match="more than the 1000 bytes"):
        canonical(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MB


def test_a_nested_archive_is_just_a_file():
    inner = archive_of(Member("zeros", b"\0" * (8 * MB)))

    archive = canonical(archive_of(Member("inner.zip", inner)))

    assert contents(archive.content) == {"inner.zip": inner}


def test_a_small_file_of_zeros_is_no_bomb():
    archive = canonical(archive_of(Member("zeros", b"\0" * (512 * 1024))))

    assert archive.files == {"zeros": 512 * 1024}


def test_an_upload_that_would_be_a_bomb_once_packed_is_too_large():
    with pytest.raises(TooLarge, match="200 times"):
        canonical(archive_of(Member("zeros", b"\0" * (2 * MB), method=0)))


LIMITS = [
    (Limits(zip_bytes=100), "100 are allowed"),
    (Limits(inflated_bytes=len(MAIN.data)), "are allowed"),
    (Limits(entries=2), "more than 2 files and folders"),
    (Limits(entries=1), "1 are allowed"),
]


@pytest.mark.parametrize(("limits", "reason"), LIMITS)
def test_each_cap_is_named(limits: Limits, reason: str):
    with pytest.raises(TooLarge, match=reason):
        canonical(archive_of(MAIN, Member("lib/a.py", b"x")), limits=limits)


def test_the_default_caps_are_those_documented():
    assert Limits() == Limits(zip_bytes=50 * MB, inflated_bytes=250 * MB, entries=10_000, ratio=200, levels=20)


def test_memory_stays_small_however_much_is_inflated():
    upload = archive_of(*(Member(f"{i}", os.urandom(MB) + b"\0" * 3 * MB) for i in range(6)))

    tracemalloc.start()
    canonical(upload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(upload) * 1.3 + 2 * MB


def test_files_are_unpacked_read_only(tmp_path: Path):
    archive = from_files({"main.py": b"x", "bin/deep/run": b"#!/bin/sh\n", "empty": b""}, executable={"bin/deep/run"})

    unpack(archive.content, tmp_path / "code")

    assert tree(tmp_path / "code") == {
        "main.py": (b"x", 0o444),
        "bin/deep/run": (b"#!/bin/sh\n", 0o555),
        "empty": (b"", 0o444),
    }
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "code").rglob("*") if p.is_dir()} == {0o755}
    assert stat.S_IMODE((tmp_path / "code").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["../evil", "/evil", "lib/../../evil"])
def test_nothing_is_written_of_a_forged_archive(tmp_path: Path, name: str):
    with pytest.raises(ArchiveRefused):
        unpack(archive_of(MAIN, Member(name, b"x")), tmp_path / "code")

    assert list(tmp_path.iterdir()) == []


def test_an_archive_found_bad_halfway_leaves_nothing(tmp_path: Path):
    with pytest.raises(ArchiveRefused, match="checksum"):
        unpack(archive_of(MAIN, Member("z.py", b"x", crc=1)), tmp_path / "code")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path):
    archive = from_files({"main.py": b"new"})
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_bytes(b"old")

    with pytest.raises(OSError, match="not empty"):
        unpack(archive.content, tmp_path / "code")

    assert (tmp_path / "code" / "main.py").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["code"]


def test_files_given_by_name_are_checked_likewise():
    with pytest.raises(ArchiveRefused, match="in its path"):
        from_files({"../main.py": b"x"})
    with pytest.raises(ArchiveRefused, match="half a character"):
        from_files({"\ud800.py": b"x"})
    with pytest.raises(ArchiveRefused, match="no files"):
        from_files({})


@given(st.binary(max_size=300), st.data())
def test_no_bytes_raise_anything_but_a_refusal(noise: bytes, data: st.DataObject):
    upload = bytearray(archive_of(MAIN, Member("lib/a.py", b"x" * 50)))
    at = data.draw(st.integers(0, len(upload)))
    upload[at : at + len(noise) // 8] = noise

    try:
        archive = canonical(bytes(upload))
    except (ArchiveRefused, TooLarge):
        return
    assert canonical(archive.content) == archive


PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@given(st.dictionaries(PATHS, st.binary(max_size=200), min_size=1, max_size=6))
def test_accepted_files_come_back_as_they_went_in(files: dict[str, bytes]):
    try:
        archive = from_files(files)
    except ArchiveRefused:
        return

    assert contents(archive.content) == files
    assert canonical(archive.content) == archive

"""Archives: unpacked whole into their folder, and the hostile ones refused with nothing left behind."""

import gzip
import io
import os
import re
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from hubel.errors import PictureError
from hubel.pictures.unpacking import Bounds, unpacked

FILES = {"set/cat/0.png": b"cat" * 500, "set/dog/0.png": os.urandom(3000), "set/empty": b"", "read me, später.txt": b"text"}


def tar(*members, pack=gzip.compress):
    """Members are (name, bytes), or TarInfo for what has none."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            info, data = (member, b"") if isinstance(member, tarfile.TarInfo) else (tarfile.TarInfo(member[0]), member[1])
            info.size = len(data) if data or info.isreg() else info.size
            archive.addfile(info, io.BytesIO(data))
    return pack(file.getvalue())


def zipped(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "data",
    [tar(*FILES.items()), tar(*FILES.items(), pack=bytes), zipped(*FILES.items()), tar(special("set", tarfile.DIRTYPE), special("./", tarfile.DIRTYPE), *FILES.items())],
    ids=["tar.gz", "tar", "zip", "tar with folders"],
)  # fmt: skip
def test_an_archive_becomes_a_folder_of_its_files(tmp_path, data):
    (tmp_path / "archive").write_bytes(data)
    heard = []
    assert unpacked(tmp_path / "archive", tmp_path / "out", told=lambda *said: heard.append(said)) == tmp_path / "out"
    assert files_below(tmp_path / "out") == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "out"]
    assert heard[-1][:2] == ("unpacking archive", sum(map(len, FILES.values())))


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    (tmp_path / "archive").write_bytes(tar(*FILES.items()))
    (tmp_path / ".out.part" / "set").mkdir(parents=True)
    (tmp_path / ".out.part" / "set" / "stranger").write_text("")
    assert files_below(unpacked(tmp_path / "archive", tmp_path / "out")) == FILES


def huge_header():
    """A tar header that claims an extended header of 2 GB, which tarfile would read into memory."""
    info = special("x", tarfile.XHDTYPE)
    info.size = 2 << 30
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(1 << 16)


def long_claim():
    info = tarfile.TarInfo("file")
    info.size = 1 << 40
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)


def sparse():
    """A file of a kilobyte that unpacks to a gigabyte of holes (GNU's sparse format 1.0)."""
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 30), "GNU.sparse.name": "holes"}
    return tar_of(info, b"0\n".ljust(512, b"\0"))


def tar_of(info, data):
    info.size = len(data)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def negative():
    """A member whose extended header gives it a size below 0, so that its reader would go back for ever."""
    info = tarfile.TarInfo("back")
    info.pax_headers = {"size": "-512"}
    return tar_of(info, b"x" * 10)


def zip_link():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc")
        archive.writestr("link/passwd", "x")
    return file.getvalue()


def encrypted_zip():
    data = bytearray(zipped(("a", b"secret")))
    for place, offset in ((data.index(b"PK\3\4"), 6), (data.index(b"PK\1\2"), 8)):
        data[place + offset] |= 1
    return bytes(data)


def lying_zip():
    """A zip whose file is longer than both its headers say."""
    data = bytearray(zipped(("a", b"x" * 5000)))
    for place, offset in ((data.index(b"PK\3\4"), 22), (data.index(b"PK\1\2"), 24)):
        data[place + offset : place + offset + 4] = (9000).to_bytes(4, "little")
    return bytes(data)


def twice():
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped(("a", b"1"), ("a", b"2"))


OUT = "leads out of the folder"
LINK = "is a link, a device, or a file with holes"
HOSTILE = {
    "the folder above": (lambda: tar(("../escaped", b"x")), OUT),
    "the folder above, from below": (lambda: tar(("a/b/../../../escaped", b"x")), OUT),
    "an absolute name": (lambda: tar(("/tmp/escaped", b"x")), OUT),
    "a name of Windows": (lambda: tar(("..\\escaped", b"x")), OUT),
    "a drive": (lambda: tar(("C:/escaped", b"x")), OUT),
    "no name": (lambda: tar((".", b"x")), OUT),
    "a link": (lambda: tar(special("link", tarfile.SYMTYPE, "/etc")), LINK),
    "a file through a link": (lambda: tar(special("link", tarfile.SYMTYPE, ".."), ("link/escaped", b"x")), LINK),
    "a hard link": (lambda: tar(special("link", tarfile.LNKTYPE, "/etc/passwd")), LINK),
    "a device": (lambda: tar(special("zero", tarfile.CHRTYPE)), LINK),
    "a pipe": (lambda: tar(special("pipe", tarfile.FIFOTYPE)), LINK),
    "holes": (sparse, LINK),
    "a size below 0": (negative, "damaged|a link|cannot be unpacked"),
    "one name twice": (lambda: tar(("a", b"1"), ("./a", b"2")), "is in it twice"),
    "a file that is a folder too": (lambda: tar(("a", b"1"), ("a/b", b"2")), "cannot be unpacked"),
    "zip: the folder above": (lambda: zipped(("../escaped", b"x")), OUT),
    "zip: an absolute name": (lambda: zipped(("/tmp/escaped", b"x")), OUT),
    "zip: a link": (zip_link, "is a link or a device"),
    "zip: one name twice": (twice, "is in it twice"),
    "zip: encrypted": (encrypted_zip, "is damaged, or packed in another way"),
    "zip: a lie": (lying_zip, "damaged"),
    "zip: a bomb": (lambda: zipped(("zeros", bytes(50_000_000))), "comes to more than"),
    "a bomb": (lambda: tar(("zeros", bytes(50_000_000))), "comes to more than"),
    "a bomb of folders": (lambda: tar(*(special(f"{i}", tarfile.DIRTYPE) for i in range(60))), "comes to more than 50 files"),
    "too many files": (lambda: tar(*((f"{i}", b"") for i in range(60))), "comes to more than 50 files"),
    "too much": (lambda: tar(("noise", os.urandom(2_000_000)), pack=bytes), "comes to more than 50 files, or 1,000,000 bytes"),
    "a header of 2 GB": (huge_header, "a header that is too long"),
    "a terabyte claimed": (long_claim, "comes to more than"),
    "cut off": (lambda: tar(*FILES.items())[:-500], "is damaged"),
    "cut off, unpacked": (lambda: tar(*FILES.items(), pack=bytes)[:3000], "is damaged"),
    "a wrong sum": (lambda: zipped(("a", b"hello")).replace(b"\xcbH\xcd\xc9\xc9\x07\x00", b"\xcbH\xcd\xc9\xc9\x06\x00"), "is damaged"),
    "text": (lambda: b"hello", "is damaged, or packed in another way"),
    "nothing": (lambda: b"", "is damaged, or packed in another way"),
    "another packing": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(1000), "is damaged, or packed in another way"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_and_damaged_archives_are_refused_in_one_sentence_and_leave_nothing_behind(tmp_path, name):
    make, said = HOSTILE[name]
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "archive").write_bytes(make())
    with pytest.raises(PictureError) as caught:
        unpacked(inner / "archive", inner / "out", Bounds(members=50, size=1_000_000))
    assert re.fullmatch(r"[^\n]+\.", str(caught.value))
    assert re.search(said, str(caught.value)), str(caught.value)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["a", "a/b", "a/b/archive"]
    assert not Path("/tmp/escaped").exists()


def test_a_folder_that_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "archive").write_bytes(tar(*FILES.items()))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(PictureError, match="cannot be unpacked into"):
        unpacked(tmp_path / "archive", tmp_path / "out")
    assert files_below(tmp_path / "out") == {"mine": b"kept"}

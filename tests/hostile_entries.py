"""Entries of a folder that are cut files, no pictures, no files, or bear names that do harm."""

import io
import os
import pickle
import random
import stat
import zipfile

from hostile_parts import BAD, READ, STRANGE, UNREADABLE, Hostile, encoded, frame, gif


def cut():
    """Sound files that end too early."""
    kinds = {"JPEG": {}, "PNG": {}, "WEBP": {"lossless": True}, "GIF": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}, "PPM": {}}
    found = {"nothing.jpg": Hostile(b"", "empty"), "one byte.jpg": Hostile(b"\xff", STRANGE)}
    for kind, options in kinds.items():
        whole = encoded(kind, **options)
        for part in (len(whole) // 8, len(whole) // 2, len(whole) * 7 // 8):
            found[f"{kind} cut to {part} bytes.{kind.lower()}"] = Hostile(whole[:part], BAD)
        found[f"{kind} cut to its mark.{kind.lower()}"] = Hostile(whole[: 12 if kind == "WEBP" else 4], BAD)
    return found


def strangers():
    """Files that are no picture, or one of another format than their name says, or of one that is not decoded."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("evil.py", "raise SystemExit")
    texts = {
        "page.jpg": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "drawing.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "object.jpg": b'{"error": "not found"}',
        "program.jpg": b"\x7fELF\2\1\1" + bytes(200),
        "archive.jpg": archive.getvalue(),
        "document.jpg": encoded("PDF"),
        "notes.txt": b"cats, all of them\n",
        "escapes.jpg": b"\x1b[2J\x1b[31mowned\n" * 20,
        "pickle.jpg": pickle.dumps({"a": [1, 2]}),
        "zeros.png": bytes(5000),
        "noise.jpg": random.Random(3).randbytes(5000),
        "video.jpg": b"\0\0\0\x18ftypmp42" + bytes(99),
        "video.avi": b"RIFF\xff\0\0\0AVI LIST" + bytes(99),
        "AVIF.jpg": b"\0\0\0\x1cftypavif" + bytes(99),
        "HEIF.jpg": b"\0\0\0\x1cftypheic" + bytes(99),
        "stars.jpg": b"SIMPLE  =                    T".ljust(2880),
        "Photoshop.jpg": b"8BPS\0\1" + bytes(99),
        "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
        "desktop.ini": b"[.ShellClassInfo]\r\n",
        "metafile.jpg": b"\xd7\xcd\xc6\x9a" + bytes(99),
        "bitmap.jpg": b"#define a_width 9\n#define a_height 9\nstatic char a[] = {0};",
        "JPEG 2000.jpg": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99),
    }
    texts |= {f"{kind}.jpg": encoded(kind) for kind in ("ICO", "EPS", "ICNS", "PCX", "TGA", "SGI", "DDS", "QOI")}
    found = {name: Hostile(data, STRANGE) for name, data in texts.items()}
    return found | {
        "PNG called.jpg": Hostile(encoded("PNG"), READ),
        "JPEG called.png": Hostile(encoded("JPEG"), READ),
        "picture and archive.jpg": Hostile(encoded("JPEG") + archive.getvalue(), READ),
        "picture and script.gif": Hostile(gif(1, 1, b"!\xfe\x0f*/=1;alert(1)/*\0", frame(1, 1)), READ),
        "picture without an ending": Hostile(encoded("PNG"), READ),
    }


def names():
    """Names that do something to a terminal, a shell or a reader; what they name is a picture, or none."""
    terminal = ("two\nlines", "return\rhere", "red \x1b[31m", "title \x1b]0;owned\7", "bell \7", "\x9b31m", "back\x08\x08")
    others = (
        "-rf",
        "%s %n {0}",
        "$(reboot)",
        "猫 🐈",
        "\u202egnp.exe",
        "e\u0301",
        os.fsdecode(b"\xff\xfe"),
        "x" * 246,
        " ",
        "a;b|c&d",
        "CON",
    )
    found = {f"{name}.png": Hostile(encoded("PNG"), READ) for name in (*terminal, *others)}
    return found | {f"{name} bad.png": Hostile(b"no picture", STRANGE) for name in (*terminal, *others)}


def entries():
    """What lies in a folder and is no file, or not one of its own."""
    sound = encoded("PNG")

    def linked(to):
        return lambda path: path.symlink_to(to)

    def outside(path):
        elsewhere = path.parent.parent.parent / "elsewhere.png"
        elsewhere.write_bytes(sound)
        path.symlink_to(elsewhere)

    def sparse(path):
        path.write_bytes(sound[:60])
        os.truncate(path, 1 << 30)

    def locked(path):
        path.write_bytes(sound)
        path.chmod(0)

    def below(name):
        def make(path):
            path.mkdir()
            (path / name).write_bytes(b"\0\5\x16\7" + bytes(99))

        return make

    return {
        "a gigabyte of holes.png": Hostile(sparse, "at most|damaged"),
        "folder.jpg": Hostile(lambda path: path.mkdir(), UNREADABLE),
        "link to itself.jpg": Hostile(linked("link to itself.jpg"), UNREADABLE, True),
        "link to a link.jpg": Hostile(linked("link back.jpg"), UNREADABLE, True),
        "link back.jpg": Hostile(linked("link to a link.jpg"), UNREADABLE, True),
        "link to nothing.jpg": Hostile(linked("nowhere"), UNREADABLE, True),
        "link to a device.jpg": Hostile(linked("/dev/zero"), UNREADABLE, True),
        "link to the folder above": Hostile(linked(".."), UNREADABLE, True),
        "link to elsewhere.png": Hostile(outside, READ),
        "pipe.jpg": Hostile(os.mkfifo, UNREADABLE, True),
        "socket.jpg": Hostile(lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), UNREADABLE, True),
        "locked.png": Hostile(locked, READ if os.geteuid() == 0 else UNREADABLE),
        "._hidden.jpg": Hostile(b"\0\5\x16\7" + bytes(99), STRANGE, True),
        ".DS_Store": Hostile(b"\0\0\0\1Bud1" + bytes(99), STRANGE, True),
        ".ipynb_checkpoints": Hostile(below("x-checkpoint.jpg"), UNREADABLE, True),
        "__MACOSX": Hostile(below("._x.jpg"), UNREADABLE, True),
    }

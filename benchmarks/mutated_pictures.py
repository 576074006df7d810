"""Ten thousand mutated pictures, and every hostile file: each is read or refused, in a process of its own. What else became of any?

    python benchmarks/mutated_pictures.py --data FOLDER    tries all and writes results/bench-mutated-pictures.json
    python benchmarks/mutated_pictures.py --count 300      tries so many, without the hostile files, and writes nothing
    python benchmarks/mutated_pictures.py --try FOLDER     prints what becomes of every file there, one JSON a line

Sound files are photographs of the folder (JPEG files below it; without one, noise), small, in every format that is decoded. What
happens to file i follows from (seed, i) alone. A process that is killed by a signal has crashed, unless it is the one sent after
--limit seconds: then it hangs. Files that crash, hang or raise anything but PictureError are left in the folder --keep.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, features
from PIL import __version__ as pillow

from hubel.errors import PictureError
from hubel.pictures.decoding import opened
from hubel.pictures.pixels import Pixels
from measuring import write

ROOT = Path(__file__).parents[1]
COUNT = 10_000
Mutation = Callable[[bytes, bytes, bytes, bytes, random.Random], bytes]
POLICY = Pixels(3, 32, 32)
BEYOND = 4 << 30
"""Bytes of address space that a process may have more than at its start, so that a bomb does not take the machine along."""


class Taste(NamedTuple):
    """What became of a file."""

    ends: str
    """read, refused, crash, hang or wrong: an exception other than PictureError, or a reason that is no printable line."""
    said: str
    """The reason, the exception or the signal."""
    milliseconds: float
    megabytes: float
    """The most memory, beyond what the process had before."""
    noise: str
    """What reached standard output and standard error, Python's warnings left out."""

    @property
    def well(self) -> bool:
        return self.ends in ("read", "refused")


# --- one file in a process of its own -----------------------------------------------------------------------------------


def tasted(source: Path | bytes, limit: float = 10) -> Taste:
    """What becomes of a file in a copy of this process, which has `limit` seconds."""
    reading, writing = os.pipe()
    started = time.perf_counter()
    child = os.fork()
    if not child:
        try:
            signal.setitimer(signal.ITIMER_REAL, limit)
            os.write(writing, json.dumps(_eaten(source)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    if said:
        return Taste(*json.loads(said))
    number = os.WTERMSIG(status)
    name = signal.Signals(number).name if number else f"it ended with {os.WEXITSTATUS(status)}"
    return Taste("hang" if number == signal.SIGALRM else "crash", name, 1000 * (time.perf_counter() - started), 0, "")


def _eaten(source: Path | bytes) -> Taste:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BEYOND,) * 2)
    with tempfile.TemporaryFile() as noise:
        for stream in (1, 2):
            os.dup2(noise.fileno(), stream)
        warnings.simplefilter("ignore")
        before, started = _peak(), time.perf_counter()
        try:
            POLICY.array(opened(source))
            ends, said = "read", ""
        except PictureError as error:
            ends, said = "refused", str(error)
            if not said or not said.isprintable():
                ends, said = "wrong", f"a reason that cannot be printed in a line: {said!a}"
        except BaseException as error:
            ends, said = "wrong", f"{type(error).__name__}: {error}"
        milliseconds, most = 1000 * (time.perf_counter() - started), _peak() - before
        sys.stderr.flush()
        noise.seek(0)
        return Taste(ends, said[:2000], milliseconds, most, noise.read(2000).decode(errors="replace"))


def _peak() -> float:
    """Megabytes of memory that this process has had at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- mutations ----------------------------------------------------------------------------------------------------------

# fmt: off
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # what is tried: the mode and the format of the sound file, and how it is written
    "JPEG":                   ("RGB", "JPEG", {"quality": 85}),
    "JPEG, progressive":      ("RGB", "JPEG", {"progressive": True}),
    "JPEG, grey, restarting": ("L", "JPEG", {"restart_marker_rows": 1}),
    "JPEG in ink":            ("CMYK", "JPEG", {}),
    "PNG":                    ("RGB", "PNG", {}),
    "PNG, transparent":       ("RGBA", "PNG", {}),
    "PNG of 16 bits":         ("I;16", "PNG", {}),
    "PNG with a palette":     ("P", "PNG", {"transparency": 3}),
    "PNG, moving":            ("RGB", "PNG", {"save_all": True}),
    "WebP, lossy":            ("RGB", "WEBP", {"quality": 80}),
    "WebP, lossless":         ("RGBA", "WEBP", {"lossless": True}),
    "WebP, moving":           ("RGB", "WEBP", {"save_all": True}),
    "GIF":                    ("P", "GIF", {}),
    "GIF, moving":            ("P", "GIF", {"save_all": True}),
    "BMP":                    ("RGB", "BMP", {}),
    "BMP with a palette":     ("P", "BMP", {}),
    "TIFF":                   ("RGB", "TIFF", {}),
    "TIFF, LZW":              ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "TIFF, deflate":          ("I;16", "TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF, PackBits":         ("CMYK", "TIFF", {"compression": "packbits"}),
    "TIFF, JPEG":             ("RGB", "TIFF", {"compression": "jpeg"}),
    "TIFF, group 4":          ("1", "TIFF", {"compression": "group4"}),
    "PPM":                    ("RGB", "PPM", {}),
}
# fmt: on


def photographs(folder: Path | None, count: int = 12, side: int = 120) -> list[Image.Image]:
    """Small photographs out of a folder, the same each time, or noise."""
    if folder is None:
        return [Image.frombytes("RGB", (side, side // 2), random.Random(i).randbytes(3 * side * side // 2)) for i in range(count)]
    files = sorted(folder.rglob("*.jpg"))
    if not files:
        raise SystemExit(f"{folder} has no photographs (*.jpg) below it")
    found = [opened(path).convert("RGB") for path in random.Random(0).sample(files, min(count, len(files)))]
    for picture in found:
        picture.thumbnail((side, side))
    return found


def sound(pictures: list[Image.Image]) -> dict[str, list[bytes]]:
    """Each picture as a file of each kind, with EXIF that turns it where the kind has it."""
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 6, "maker"
    files: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    for i, picture in enumerate(pictures):
        for kind, (mode, name, options) in KINDS.items():
            others = [pictures[(i + k) % len(pictures)].resize(picture.size) for k in (1, 2)] if "save_all" in options else []
            frames = [_in_mode(frame, mode) for frame in (picture, *others)]
            file = io.BytesIO()
            extra = ({"append_images": frames[1:]} if others else {}) | ({"exif": tags} if name in ("JPEG", "PNG", "WEBP") else {})
            frames[0].save(file, name, **options, **extra)
            files[kind].append(file.getvalue())
    return files


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    return picture.convert("I").point(lambda level: level * 257).convert(mode) if mode == "I;16" else picture.convert(mode)


# fmt: off
MUTATIONS: dict[str, Mutation] = {
    # what is done to a part of a file, given what lies before it, the part, what lies behind it, and the end of another file
    "bits turned":           lambda before, part, after, other, draw: before + _turned(part, draw) + after,
    "a number at its end":   lambda before, part, after, other, draw: _written(before, draw.choice(EXTREMES), part + after),
    "one byte everywhere":   lambda before, part, after, other, draw: before + draw.randbytes(1) * len(part) + after,
    "noise":                 lambda before, part, after, other, draw: before + draw.randbytes(len(part)) + after,
    "inserted":              lambda before, part, after, other, draw: before + draw.randbytes(len(part)) + part + after,
    "left out":              lambda before, part, after, other, draw: before + after,
    "said again":            lambda before, part, after, other, draw: before + part * draw.randint(2, 9) + after,
    "changed places":        lambda before, part, after, other, draw: before + after[:len(part)] + part + after[len(part):],
    "cut off":               lambda before, part, after, other, draw: before,
    "another file's end":    lambda before, part, after, other, draw: before + other,
}
# fmt: on
EXTREMES = [
    number.to_bytes(size, end)
    for size in (1, 2, 4)
    for end in ("big", "little")
    for number in (0, 1, 256**size // 2 - 1, 256**size // 2, 256**size - 1)
]
"""The least and the most that numbers of one, two and four bytes can be."""


def mutated(files: list[bytes], others: list[bytes], draw: random.Random) -> bytes:
    """One of the files, changed in one to three places, half of them in its first bytes, where headers are.

    In most of the PNG files the sums are put right afterwards, so that more of them is read.
    """
    data = draw.choice(files)
    for _ in range(draw.randint(1, 3)):
        start = draw.randrange(1 + draw.choice((min(len(data), 400), len(data))))
        end = start + (1 << draw.randrange(12))
        other = draw.choice(others)
        changed = draw.choice([*MUTATIONS, *[*MUTATIONS][:4]])  # more of those that leave the rest in its place
        data = MUTATIONS[changed](data[:start], data[start:end], data[end:], other[draw.randrange(len(other)) :], draw)
    return _summed(data) if draw.random() < 0.8 and data.startswith(b"\x89PNG\r\n\x1a\n") else data


def _written(before: bytes, number: bytes, rest: bytes) -> bytes:
    return before + number + rest[len(number) :]


def _turned(part: bytes, draw: random.Random) -> bytes:
    turned = bytearray(part)
    for _ in range(draw.randint(1, 8) if part else 0):
        turned[draw.randrange(len(part))] ^= 1 << draw.randrange(8)
    return bytes(turned)


def _summed(data: bytes) -> bytes:
    """A PNG in which every part that is whole has the right sum."""
    whole, at = bytearray(data), 8
    while at + 12 <= len(whole):
        end = at + 8 + int.from_bytes(whole[at : at + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(whole)


class Tried(NamedTuple):
    """A mutated file and what became of it."""

    number: int
    kind: str
    taste: Taste


def share(files: dict[str, list[bytes]], numbers: range, seed: int, limit: float, keep: Path | None) -> list[Tried]:
    """Make and try the mutated files of these numbers."""
    tried, everything = [], [data for kind in files.values() for data in kind]
    for number in numbers:
        kind = list(files)[number % len(files)]
        data = mutated(files[kind], everything, random.Random(f"{seed} {number}"))
        taste = tasted(data, limit)
        tried.append(Tried(number, kind, taste))
        if not taste.well:
            print(f"{number}, {kind}: {taste.ends}: {taste.said}", flush=True)
            if keep is not None:
                (keep / f"{taste.ends}-{number}").write_bytes(data)
    return tried


# --- tables -------------------------------------------------------------------------------------------------------------


def by_kind(tried: list[Tried]) -> list[dict[str, Any]]:
    """What became of the files of each kind."""
    rows = []
    for kind in (*KINDS, "all"):
        tastes = [one.taste for one in tried if kind in (one.kind, "all")]
        if tastes:
            ends = {name: sum(taste.ends == name for taste in tastes) for name in ("read", "refused", "crash", "hang", "wrong")}
            most = {"slowest_ms": max(taste.milliseconds for taste in tastes), "most_mb": max(taste.megabytes for taste in tastes)}
            rows.append({"kind": kind, "files": len(tastes), **ends, **{name: round(value, 1) for name, value in most.items()}})
    return rows


def hostile_files(limit: float) -> list[dict[str, Any]]:
    """What became of every hostile file, and whether that is what it should come to."""
    sys.path.insert(0, str(ROOT / "tests"))
    from hostile import bombs, everything, put

    found, bombed, rows = everything(), bombs(), []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "set" / "class"
        folder.mkdir(parents=True)
        put(found, folder)
        for name, hostile in found.items():
            taste = tasted(folder / name, limit)
            as_expected = taste.well and bool(re.search(hostile.ends, taste.said or taste.ends))
            row = {"file": ascii(name)[1:-1], "bomb": name in bombed, "as_expected": as_expected, "ends": taste.ends, "said": taste.said}
            rows.append({**row, "ms": round(taste.milliseconds, 1), "mb": round(taste.megabytes, 1)})
            print(", ".join(f"{key} {value!a}" for key, value in rows[-1].items()), flush=True)
    return rows


def record(tried: list[Tried], hostile: list[dict[str, Any]], seed: int, photographed: bool) -> None:
    bad = sum(not one.taste.well for one in tried)
    bombs = [row for row in hostile if row["bomb"]]
    slowest, most = max(row["ms"] for row in bombs), max(row["mb"] for row in bombs)
    as_expected = sum(row["as_expected"] for row in hostile)
    jobs = {
        f"{len(tried):,} mutated pictures: crashes, hangs, other exceptions": (str(bad), "0"),
        f"{len(hostile)} hostile files: refused with a reason, or read, as they should be": (f"{as_expected} of {len(hostile)}", "all"),
        f"{len(bombs)} bombs refused from their headers: the slowest, the largest": (f"{slowest:.1f} ms, {most:.1f} MB", "100 ms, 50 MB"),
    }
    rows = [{"job": job, "peer": "-", "ratio": found, "goal": goal} for job, (found, goal) in jobs.items()]
    noisy = sum(bool(one.taste.noise) for one in tried)
    versions = {"pillow": pillow} | {name: features.version(name) for name in ("libjpeg_turbo", "zlib", "webp", "libtiff", "littlecms2")}
    figures = {"seed": seed, "photographs": photographed, **versions, "noisy": noisy, "mutated": by_kind(tried), "hostile": hostile}
    write("bench-mutated-pictures", __doc__.split("\n")[0], rows, figures)


def main(given: argparse.Namespace) -> None:
    if given.folder is not None:
        for path in sorted(given.folder.iterdir()):
            print(json.dumps([path.name, tasted(path, given.limit)]), flush=True)
        return
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    files = sound(photographs(given.data))
    jobs = given.jobs
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as workers:
        shares = [workers.submit(share, files, range(i, given.count, jobs), given.seed, given.limit, given.keep) for i in range(jobs)]
        tried = [one for done in shares for one in done.result()]
    for row in by_kind(tried):
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    for noise in sorted({one.taste.noise.strip().split("\n")[0] for one in tried} - {""})[:10]:
        print(f"noise: {noise!a}")
    if given.count == COUNT:
        record(tried, hostile_files(given.limit), given.seed, given.data is not None)
    if not all(one.taste.well for one in tried):
        raise SystemExit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="photographs, JPEG, in this folder or below it")
    parser.add_argument("--count", type=int, default=COUNT, help="mutated files (default: %(default)s, which are recorded)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="how many are tried at a time")
    parser.add_argument("--limit", type=float, default=10, help="seconds that a file may take (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where files are left that neither are read nor refused")
    parser.add_argument("--try", dest="folder", type=Path, metavar="FOLDER", help="print what becomes of the files there")
    main(parser.parse_args())

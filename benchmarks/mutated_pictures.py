"""Ten thousand mutated pictures, and every hostile file: each is read or refused, in a process of its own. What else became of any?

    python benchmarks/mutated_pictures.py --data FOLDER    tries all and writes results/bench-mutated-pictures.json
    python benchmarks/mutated_pictures.py --count 300      tries so many, without the hostile files, and writes nothing

Sound files are photographs of the folder (JPEG files below it; without one, noise), small, in every format that is decoded. What
happens to file i follows from (seed, i) alone. A process that is killed by a signal has crashed, unless it is the one sent after
--limit seconds: then it hangs. Files that crash, hang or raise anything but PictureError are left in the folder --keep.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, features
from PIL import __version__ as pillow

from hubel.pictures.decoding import opened
from measuring import write

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hostile import bombs, everything, put
from mutants import KINDS, mutant, sound
from tasting import Taste, tasted

COUNT = 10_000


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


class Tried(NamedTuple):
    """A mutated file and what became of it."""

    number: int
    kind: str
    taste: Taste


def share(files: dict[str, list[bytes]], numbers: range, seed: int, limit: float, keep: Path | None) -> list[Tried]:
    """Make and try the mutated files of these numbers."""
    tried = []
    for number in numbers:
        kind, data = mutant(files, number, seed)
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
    main(parser.parse_args())

"""The doctor's eye for copies: planted in photographs, how many of each kind are found, and how many named pairs are false; and its time.

    python benchmarks/copies.py PHOTOGRAPHS CIFAR-10      writes results/bench-copies.json

Of every kind there is a copy of a third of the photographs, drawn by chance; those of one photograph are copies of one another.
A pair of different photographs is false, unless it is a copy by nature: grey, of 128 x 128 pixels, the two (one perhaps
mirrored) have a correlation of 0.95 or more, which is another measure than the one tested. Those are listed by name.
CIFAR-10's 60,000 pictures are timed from the array to the pairs: digests, strokes, and all pairs compared.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from hubel.pictures.decoding import opened
from hubel.pictures.doctor import alike, copies
from hubel.pictures.doctor.fingerprints import Seen, seen, seen_all
from hubel.pictures.sources import open_source
from measuring import write

PHOTOGRAPHS, SEED = 1000, 0
CURVE = (0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98)

Picture = Image.Image
Draw = np.random.Generator


def saved(picture: Picture, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **({"compress_level": 1} if form == "PNG" else {}), **options)
    return file.getvalue()


def lossless(picture: Picture, draw: Draw) -> bytes:
    form = str(draw.choice(["PNG", "WEBP", "TIFF", "BMP"]))
    return saved(picture, form, **({"lossless": True, "quality": 0} if form == "WEBP" else {}))


def resized(picture: Picture, draw: Draw) -> Picture:
    scale = float(draw.choice([0.25, 0.35, 0.5, 0.75, 1.5, 2]))
    kernel = Image.Resampling(int(draw.choice([0, 1, 2, 3, 4, 5])))
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), kernel)


def cut(picture: Picture, draw: Draw, part: float) -> Picture:
    width, height = round(picture.width * (1 - part)), round(picture.height * (1 - part))
    left, top = draw.integers(0, picture.width - width + 1), draw.integers(0, picture.height - height + 1)
    return picture.crop((int(left), int(top), int(left) + width, int(top) + height))


def compressed(picture: Picture, draw: Draw) -> bytes:
    return saved(picture, "JPEG", quality=int(draw.integers(30, 96)))


KINDS: dict[str, Callable[[Picture, Draw], bytes]] = {
    "the same pixels as PNG, WebP, TIFF or BMP": lossless,
    "JPEG, quality 30 to 95": compressed,
    "WebP, quality 30 to 95": lambda picture, draw: saved(picture, "WEBP", quality=int(draw.integers(30, 96))),
    "resized, 1/4 to 2 times, six kernels": lambda picture, draw: saved(resized(picture, draw), "PNG"),
    "mirrored": lambda picture, draw: saved(ImageOps.mirror(picture), "PNG"),
    "mirrored, resized, JPEG": lambda picture, draw: compressed(resized(ImageOps.mirror(picture), draw), draw),
    "made grey": lambda picture, draw: saved(picture.convert("L"), "PNG"),
    "10% brighter or darker": lambda picture, draw: saved(ImageEnhance.Brightness(picture).enhance(float(draw.choice([0.9, 1.1]))), "PNG"),
    "2% cut off": lambda picture, draw: compressed(cut(picture, draw, 0.02), draw),
    "5% cut off": lambda picture, draw: compressed(cut(picture, draw, 0.05), draw),
    "squashed to 150 x 150": lambda picture, draw: compressed(picture.resize((150, 150)), draw),
    "turned by 90 degrees": lambda picture, draw: compressed(picture.transpose(Image.Transpose.ROTATE_90), draw),
}
BONUS = ("5% cut off", "squashed to 150 x 150", "turned by 90 degrees")
"""Asked of nobody."""


def planted(photographs: Any, chosen: Any) -> tuple[list[bytes], list[Seen], list[int], list[str], list[Picture]]:
    """All pictures as files and as seen, the photograph that each is of, what it is, and the photographs, grey."""
    draw = np.random.default_rng(SEED)
    drawn = {(i, kind) for kind in ("the same file", *KINDS) for i in draw.permutation(len(chosen))[: len(chosen) // 3]}

    def of(i: int) -> list[tuple[bytes, Seen, int, str, Picture | None]]:
        data, draw = photographs.places[chosen[i]].read(), np.random.default_rng((SEED, i))
        picture = opened(data).convert("RGB")
        made = {"": data, "the same file": data, **{kind: make(picture, draw) for kind, make in KINDS.items() if (i, kind) in drawn}}
        grey = picture.convert("L").resize((128, 128), Image.Resampling.BOX)
        return [
            (hashlib.blake2b(file, digest_size=16).digest(), seen(opened(file)), i, kind, None if kind else grey)
            for kind, file in made.items()
            if not kind or (i, kind) in drawn
        ]

    with ThreadPoolExecutor() as threads:
        everything = [one for some in threads.map(of, range(len(chosen))) for one in some]
    everything.sort(key=lambda one: one[3] != "")  # the photographs themselves first
    files, known, origins, kinds, greys = map(list, zip(*everything))
    return files, known, origins, kinds, [grey for grey in greys if grey is not None]


def correlation(one: Picture, other: Picture) -> float:
    """Of the pixels of two pictures, the other perhaps mirrored."""
    ways = (other, ImageOps.mirror(other))
    return max(float(np.corrcoef(np.asarray(one).ravel(), np.asarray(way).ravel())[0, 1]) for way in ways)


def found_and_false(place: str) -> dict[str, Any]:
    photographs = open_source(place).training()
    chosen = np.random.default_rng(SEED).permutation(len(photographs.labels))[:PHOTOGRAPHS]
    files, known, origins, kinds, greys = planted(photographs, chosen)
    threshold_of_set = copies.find(files, known).threshold
    copies.ALIKE, copies.NEARER = CURVE[0], 2  # so that all are named from there on
    everything = copies.find(files, known)
    same = {i: group[0] for groups in (everything.same_pixels, everything.exact) for group in groups for i in group}
    apart = sorted({tuple(sorted((origins[near.one], origins[near.other]))) for near in everything.near} - {(i, i) for i in origins})
    by_nature = {pair: round(likeness, 3) for pair in apart if (likeness := correlation(greys[pair[0]], greys[pair[1]])) >= 0.95}
    curve = {}
    for threshold in CURVE:
        named = [near for near in everything.near if near.similarity >= threshold]
        linked = {near[:2] for near in named}
        found: dict[str, list[bool]] = {kind: [] for kind in ("the same file", *KINDS)}
        for i, (origin, kind) in enumerate(zip(origins, kinds)):
            first = same.get(i, i)  # of those with the same pixels; a photograph has the number of its origin
            if kind:
                found[kind].append(first == origin or (not kind.startswith("the same") and (origin, first) in linked))
        wrong = [pair for near in named if (pair := tuple(sorted((origins[near.one], origins[near.other]))))[0] != pair[1]]
        curve[threshold] = {
            "found": {kind: sum(each) / len(each) for kind, each in found.items()},
            "pairs": len(named),
            "false": sum(pair not in by_nature for pair in wrong) / max(1, len(named)),
        }
    copies.ALIKE, copies.NEARER = ALIKE, NEARER
    return {
        "pictures": len(files),
        "photographs": len(greys),
        "threshold": threshold_of_set,
        "by threshold": curve,
        "copies by nature, with their correlation": {
            f"{photographs.names[chosen[a]]} and {photographs.names[chosen[b]]}": value for (a, b), value in by_nature.items()
        },
    }


def timed(place: str) -> dict[str, Any]:
    """CIFAR-10's 60,000 pictures, from the array to the pairs; and what share of these the cells of larger sets find."""
    source = open_source(place)
    splits = {name: source.split(name).pixels for name in source.openers}
    wall, processor = time.perf_counter(), time.process_time()
    known = [one for pixels in splits.values() for one in seen_all(pixels)]
    seeing = time.perf_counter() - wall
    everything = copies.find([None] * len(known), known)
    figures = {"seconds": time.perf_counter() - wall, "of which seeing": seeing, "processor seconds": time.process_time() - processor}
    ends = np.cumsum([len(pixels) for pixels in splits.values()])
    across = [near for near in everything.near if np.searchsorted(ends, near.one, "right") != np.searchsorted(ends, near.other, "right")]
    whole, alike.WHOLE = alike.WHOLE, 0
    by_cells = {near[:2] for near in copies.find([None] * len(known), known).near}
    alike.WHOLE = whole
    return {
        "pictures": len(known),
        **figures,
        "threshold": everything.threshold,
        "pairs": len(everything.near),
        "pairs across splits": len(across),
        "share that cells find": len(by_cells & {near[:2] for near in everything.near}) / len(everything.near),
    }


def main(photographs: str, cifar: str) -> None:
    times, found = timed(cifar), found_and_false(photographs)
    chosen = found["by threshold"][ALIKE]
    rows = [
        {"job": f"copies found: {kind}", "peer": "-", "ratio": f"{share:.1%}", "goal": goal(kind)}
        for kind, share in chosen["found"].items()
    ]
    rows.append({"job": "false among the near pairs named", "peer": "-", "ratio": f"{chosen['false']:.2%}", "goal": "1% at most"})
    seconds = f"{times['seconds']:.0f} s, {times['processor seconds']:.0f} s of processors"
    rows.append({"job": f"copies among {times['pictures']:,} pictures of CIFAR-10", "peer": "-", "ratio": seconds, "goal": "45 s"})
    write("bench-copies", (__doc__ or "").split("\n")[0], rows, {"planted": found, "cifar10": times})


def goal(kind: str) -> str:
    return "-" if kind in BONUS else "100%" if kind.startswith("the same") else "95%"


ALIKE, NEARER = copies.ALIKE, copies.NEARER

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", help="a set of files, as hubel opens it")
    parser.add_argument("cifar", nargs="?", default="cifar10")
    given = parser.parse_args()
    main(given.photographs, given.cifar)

"""ImageNet (ILSVRC 2012): train/nXXXXXXXX/*.JPEG, and val sorted into such folders, or flat beside the development kit.

The classes are the WordNet ids in their order, which is the usual order of the 1,000 outputs; the kit's own numbers are another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hubel.errors import PictureError
from hubel.pictures.listing import Listing, holds
from hubel.pictures.published import matlab
from hubel.pictures.published.forms import Files, Found, data_of

WNID = re.compile(r"n\d{8}")
PICTURE = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")
TRUTH, META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
KITS = (".", "data", "ILSVRC2012_devkit_t12/data", "devkit/data")
"""Where the kit's files may lie in the folder."""


def found(folder: Path) -> Found | None:
    """ImageNet's folders in a folder. Raises PictureError where flat pictures lack the kit that says what they are."""
    notes: list[str] = []
    train, validation, flat = _by_class(folder / "train", notes), _by_class(folder / "val", notes), _flat(folder / "val")
    if not (train or validation or flat):
        return None
    if validation and flat:
        raise PictureError(f"{folder / 'val'} has pictures both in class folders and beside them; sort all of them, or none.")
    validation = validation or _by_truth(folder, flat)
    classes = tuple(sorted(train or validation))
    empty = [wnid for wnid in train if not train[wnid]]
    if empty:
        raise PictureError(f"The class {empty[0]!r} has no pictures in {folder / 'train'}; put some there, or remove the folder.")
    strange = [wnid for wnid, files in validation.items() if files and wnid not in classes]
    if strange:
        raise PictureError(
            f"{folder / 'val'} has pictures of {len(strange)} classes, such as {strange[0]}, that train has not; leave them out."
        )
    if not train:
        notes.append(f"{folder} has no train folder, so it can be tested on but not trained on.")
    if (folder / "test").is_dir():
        notes.append(f"{folder / 'test'} was left out: its pictures have no labels.")
    splits = {"train": train, "validation": validation}
    return Found(classes, {split: _opener(by_class, classes) for split, by_class in splits.items() if by_class}, tuple(notes))


def _opener(by_class: dict[str, list[Path]], classes: tuple[str, ...]) -> Callable[[], Files]:
    def files() -> Files:
        labels = np.repeat(np.arange(len(classes)), [len(by_class.get(label, ())) for label in classes])
        return [path for label in classes for path in by_class.get(label, ())], labels.astype(np.int64)

    return files


def _by_class(folder: Path, notes: list[str]) -> dict[str, list[Path]]:
    """The pictures of a folder whose folders are all WordNet ids; none of any other folder."""
    if not holds(folder.is_dir):
        return {}
    listing = Listing(folder)
    folders = listing.folders_in(folder)
    if not folders or not all(map(WNID.fullmatch, folders)):
        return {}
    files = {wnid: listing.files_in(path) for wnid, path in folders.items()}
    notes += listing.notes()
    return files


def _flat(folder: Path) -> dict[int, Path]:
    """The pictures that lie in the folder itself, by their numbers."""
    entries = folder.iterdir() if holds(folder.is_dir) else ()
    return {int(match[1]): path for path in entries if (match := PICTURE.fullmatch(path.name))}


def _by_truth(folder: Path, flat: dict[int, Path]) -> dict[str, list[Path]]:
    """Flat pictures by WordNet id: line k of the ground truth is the kit's number of the class of picture k."""
    if not flat:
        return {}
    kit = next((folder / name for name in KITS if (folder / name / TRUTH).is_file() and (folder / name / META).is_file()), None)
    if kit is None:
        raise PictureError(
            f"The pictures in {folder / 'val'} are not sorted, and {TRUTH} and {META}, which say what they are, are not there; unpack ILSVRC2012_devkit_t12.tar.gz in {folder}."
        )
    wnids = _wnids(kit / META)
    lines = data_of(kit / TRUTH).split()
    by_class: dict[str, list[Path]] = {wnid: [] for wnid in wnids.values()}
    for number, path in sorted(flat.items()):
        said = lines[number - 1] if 0 < number <= len(lines) else b""
        if not said.isdigit() or int(said) not in wnids:
            raise PictureError(f"{kit / TRUTH} does not say what {path.name} is.")
        by_class[wnids[int(said)]].append(path)
    return by_class


def _wnids(meta: Path) -> dict[int, str]:
    """The WordNet id of each number; only the leaves of the hierarchy are classes."""
    rows = np.atleast_1d(matlab.variables(meta, "synsets")["synsets"])
    try:
        return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows if int(row["num_children"]) == 0}
    except (ValueError, TypeError, IndexError):
        raise PictureError(f"{meta} is not the file of ImageNet's development kit: it has no synsets with their WordNet ids.") from None

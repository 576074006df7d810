"""What lies in a set's folder: each folder and file once, and what was left out, with the reason."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from hubel.errors import PictureError

NAMED = 5
"""What is left out for one reason is named one by one up to so many, and counted beyond."""

DEEPEST = 32
"""Folders below one another."""

OTHERS = frozenset(
    ".txt .md .rst .csv .tsv .json .jsonl .xml .yaml .yml .toml .ini .cfg .log .html .htm .pdf .doc .docx .xls .xlsx .py .ipynb .sh"
    " .bat .lnk .url .db .sqlite .npy .npz .mat .pkl .pt .pth .h5 .hdf5 .parquet .zip .tar .gz .tgz .bz2 .xz .7z .rar .mp3 .wav .mp4"
    " .mov .avi .mkv .webm .bak .tmp .part .crdownload".split()
)
"""Ends of names that no picture has, in lower case."""

HIDDEN_FOLDER = "a hidden folder"
HIDDEN = "hidden"
LONE = "beside the class folders"
NO_FILE = "no file"
OUTSIDE = "a link outside"
AGAIN = "listed itself"
NO_PICTURE = "no picture"
TOO_DEEP = "too deep"

REASONS = {
    HIDDEN_FOLDER: ("it is a hidden folder", "they are hidden folders"),
    HIDDEN: ("it is hidden", "they are hidden"),
    LONE: ("it lies beside the class folders, not in one", "they lie beside the class folders, not in one"),
    NO_FILE: (
        "it is no file of its own (a pipe, a socket, or a link that leads to none)",
        "they are no files of their own (pipes, sockets, or links that lead to none)",
    ),
    OUTSIDE: ("it is a link that leads out of the set's folder", "they are links that lead out of the set's folder"),
    AGAIN: ("it is a link to what is listed without it", "they are links to what is listed without them"),
    NO_PICTURE: ("it is no picture by its name", "they are no pictures by their names"),
    TOO_DEEP: (f"it lies more than {DEEPEST} folders deep", f"they lie more than {DEEPEST} folders deep"),
}
"""Each reason for which something is left out, as said of one and of several."""


class Listing:
    """A walk through a set's folder. Links are followed to what lies in it and is not listed already; nothing is listed twice."""

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self.left: dict[str, list[str]] = defaultdict(list)
        """What was left out, by the reason."""
        self.linked: set[str] = set()
        """What was reached by links, as it is called without them."""

    def folders_in(self, folder: Path) -> dict[str, Path]:
        """The visible folders in a folder, by name."""
        found = {}
        for entry in _entries(folder):
            hidden = is_hidden(entry)
            if not holds(entry.is_dir):
                if not hidden:
                    self.left[LONE].append(entry.path)
            elif hidden:
                self.left[HIDDEN_FOLDER].append(entry.path)
            elif self._is_new(entry):
                found[entry.name] = Path(entry.path)
        return found

    def files_in(self, folder: Path) -> list[Path]:
        """Every file in a class folder and the folders below it, by name."""
        return list(self._files(folder, 1, os.path.realpath(folder) in self.linked))

    def _files(self, folder: Path, deep: int, by_link: bool) -> Iterator[Path]:
        """`by_link`: whether a link led to the folder, so that another may lead into it too."""
        for entry in _entries(folder):
            if is_hidden(entry):
                self.left[HIDDEN].append(entry.path)
            elif holds(entry.is_dir):
                if deep == DEEPEST:
                    self.left[TOO_DEEP].append(entry.path)
                elif self._is_new(entry, by_link):
                    yield from self._files(Path(entry.path), deep + 1, by_link or entry.is_symlink())
            elif not holds(entry.is_file):
                self.left[NO_FILE].append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in OTHERS:
                self.left[NO_PICTURE].append(entry.path)
            elif self._is_new(entry, by_link):
                yield Path(entry.path)

    def _is_new(self, entry: os.DirEntry[str], by_link: bool = False) -> bool:
        """Whether an entry is no link, or one to something in the set that is not listed already. What a link led to is seen as links are."""
        if not (by_link or entry.is_symlink()):
            return True
        place = os.path.realpath(entry.path)
        if not place.startswith(os.path.join(self.root, "")) and place != self.root:
            self.left[OUTSIDE].append(entry.path)
            return False
        if place in self.plain or place in self.linked:
            self.left[AGAIN].append(entry.path)
            return False
        self.linked.add(place)
        return True

    @cached_property
    def plain(self) -> set[str]:
        """Every visible folder and file that is reached without a link. Read where the first link is met; most sets have none."""
        found, folders = {self.root}, [self.root]
        while folders:
            for entry in _entries(Path(folders.pop())):
                if not is_hidden(entry) and not entry.is_symlink():
                    found.add(entry.path)
                    if holds(entry.is_dir):
                        folders.append(entry.path)
        return found

    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that was left out, or one for many with the same reason."""
        said = []
        for reason, paths in self.left.items():
            one, many = REASONS[reason]
            if len(paths) <= NAMED:
                said += [f"{path} was left out: {one}." for path in paths]
            else:
                said.append(f"{len(paths):,} entries were left out, such as {paths[0]}: {many}.")
        return tuple(said)

    def outside(self) -> str:
        """What to add to a refusal where links lead outside, since they are likely its cause."""
        paths = self.left[OUTSIDE]
        if not paths:
            return ""
        return (
            f"; links that lead out of the set's folder are left out ({len(paths):,}, such as {paths[0]}),"
            " but a list, in CSV, may name pictures anywhere"
        )


def is_hidden(entry: os.DirEntry[str]) -> bool:
    """Whether a name is one that people are not shown, or that of what a Mac packs along."""
    return entry.name.startswith(".") or entry.name == "__MACOSX"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise PictureError(f"{folder} cannot be read: {error.strerror or error}.") from None


def holds(asked: Callable[[], bool]) -> bool:
    """What the system says, or False where it cannot say: a link that leads to itself, a name too long."""
    try:
        return asked()
    except (OSError, ValueError):
        return False

"""Files and folder entries that mean harm, or nothing: each is refused in a sentence, read as what it shows, or left out of its set."""

from hostile_entries import cut, entries, names, strangers
from hostile_headers import bombs, empty_sides
from hostile_jpegs import jpegs
from hostile_rasters import bmps, gifs, pngs
from hostile_tiffs import tiffs


def everything():
    """All of them, by name."""
    return bombs() | empty_sides() | pngs() | gifs() | bmps() | tiffs() | jpegs() | cut() | strangers() | names() | entries()


def put(found, folder):
    """Make them in a folder that is there."""
    for name, (made, _, _) in found.items():
        path = folder / name
        if isinstance(made, bytes):
            path.write_bytes(made)
        else:
            made(path)

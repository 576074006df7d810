"""A place in a text: what comes next, what could have come, and the refusal that points at the character."""

from __future__ import annotations

import difflib
import re
from typing import NoReturn

from hubel.errors import NotationError, shortened

WIDTH, BEFORE = 76, 40
"""Characters of a line that a refusal shows, and how many of them at most stand before the one at fault."""

ANY_CASE = re.ASCII | re.IGNORECASE

HINTS = {
    "?": " A network leaves nothing open: a part is written, or left out.",
    "*": " Only brackets are repeated, as in [CONV3-64 -> RELU]*2.",
}


class Cursor:
    """A text that is read from left to right; blanks may stand between any two things that come."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.could: list[str] = []
        """What was looked for at this place."""
        self.note = ""

    def here(self) -> int:
        """The place of what comes next."""
        while self.text[self.at : self.at + 1] in (" ", "\n"):
            self.at += 1
        return self.at

    def comes(self, pattern: str, *could: str) -> re.Match[str] | None:
        """What comes next, if it matches; else `could` is kept, to say what was looked for."""
        found = re.compile(pattern, ANY_CASE).match(self.text, self.here())
        if found is None:
            self.could += could
        return found

    def take(self, pattern: str, *could: str) -> str:
        """Go behind what comes next and give it, if it matches; else give nothing."""
        found = self.comes(pattern, *could)
        if found is None:
            return ""
        self.at, self.could = found.end(), []
        return found[0]

    def need(self, pattern: str, could: str) -> str:
        """Take what comes next. Raises NotationError where it does not match."""
        return self.take(pattern, could) or self.refuse()

    def end(self) -> None:
        """Raises NotationError where anything comes."""
        if not self.comes(r"\Z", "the end"):
            self.refuse()

    def refuse(self, why: str = "", at: int | None = None) -> NoReturn:
        """Raise NotationError at a place, by default with what comes next and what could."""
        raise NotationError((why or self._why()) + pointed(self.text, self.here() if at is None else at))

    def _why(self) -> str:
        """What comes next, that it cannot, and what could."""
        found = re.compile("[A-Za-z]+|[0-9]+|->|.", re.DOTALL).match(self.text, self.here())
        came = found[0][:60] if found else ""
        what = shortened(came) if came else "The end"
        code = "" if came.isascii() else f" (U+{ord(came):04X})"
        by_lower = {name.lower(): name for name in self.could}
        near = difflib.get_close_matches(came.lower(), by_lower, n=1)
        meant = f" Did you mean {by_lower[near[0]]}?" if near else ""
        *others, last = dict.fromkeys(self.could)
        listed = f"{', '.join(others)} or {last}" if others else last
        return f"{what}{code} cannot stand here; what can: {listed}.{meant}{HINTS.get(came, '')}{self.note}"


def pointed(text: str, at: int) -> str:
    """The line of a place, cut to what fits, with a caret under the character; what cannot be shown is a '?'."""
    first = max(text.rfind("\n", 0, at) + 1, at - BEFORE)
    row = text[first : first + WIDTH].partition("\n")[0]
    return f"\n  {''.join(character if character.isprintable() else '?' for character in row)}\n  {' ' * (at - first)}^"

"""Runs a study and puts it on record: results/study-NAME.json, and its figure in docs/figures. The words are those of `hubel study`.

    python benchmarks/record_study.py dogs-cats DATA/dogs-vs-cats --from squeezenet_1_1 --from mobilenet_v1_0_25_tf --repeats 3

The same command goes on where it was stopped.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hubel.cli import main as hubel
from hubel.cli.studying import FIGURE, RECORD
from measuring import RESULTS

FIGURES = RESULTS.parent / "docs" / "figures"


def main(words: list[str]) -> int:
    out = Path(words[words.index("--out") + 1] if "--out" in words else f"runs/study-{words[0]}")
    status = hubel(["study", *words, *([] if "--out" in words else ["--out", str(out)])])
    if status:
        return status
    found = json.loads((out / RECORD).read_text())
    for name, place in ((RECORD, RESULTS / f"study-{found['study']}.json"), (FIGURE, FIGURES / f"study-{found['study']}.png")):
        place.write_bytes((out / name).read_bytes())
        print(f"written: {place}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    raise SystemExit(main(sys.argv[1:]))

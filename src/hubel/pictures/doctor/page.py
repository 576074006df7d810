"""The report as one HTML page that needs nothing else: no script, no font, no file beside it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

import hubel
from hubel.drawing.ink import clean
from hubel.pictures.doctor.charts import COLOURS, bars, sizes
from hubel.pictures.doctor.findings import Example, Finding
from hubel.pictures.doctor.report import WEIGHTS, Report
from hubel.pictures.doctor.splitting import SPLITS, Proposal
from hubel.pictures.doctor.style import STYLE
from hubel.pictures.doctor.thumbnails import Thumbnails

SHOWN = 12
"""Examples of a finding."""

ROWS = 100
"""Lines of a table; classes beyond are counted together."""

STRIPS = 40
"""Classes of which pictures are shown."""

LISTED = 200
"""Pictures that cannot be read, and pictures that the proposal leaves out, by name."""


FLAG = re.compile("--[a-z-]+")
"""A flag of the command line, which is not to be broken over lines."""


def page(report: Report, proposal: Proposal | None = None) -> str:
    """The report as HTML, equal for equal reports."""
    thumbnails = Thumbnails(report.inventory)
    name = _words(report.inventory.name)
    parts = [
        f"<h1>{name}</h1>",
        f"<p class=soft>{_summary(report)}</p>",
        _cards(report),
        _section("Findings", _findings(report, thumbnails)),
        _section("Pictures of each class", _counts(report)),
        _section("Sizes", _sizes(report)),
        _section("Formats", _formats(report)),
        _section("Examples", _examples(report, thumbnails)),
        _section("Left out", _list(report.inventory.notes)),
        _section("A division without leaks", _proposal(report, proposal)) if proposal else "",
        f"<footer>Hubel {hubel.__version__}. Every picture was decoded once; thumbnails are made small, and nothing else was changed.</footer>",
    ]
    body = "\n".join(part for part in parts if part)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{name}: the pictures examined</title>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body><main>\n{body}\n</main></body></html>\n'


def _words(text: object) -> str:
    """A text of whatever origin as HTML."""
    return escape(clean(str(text)))


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{title}</h2>\n{inside}</section>" if inside else ""


def _summary(report: Report) -> str:
    inventory = report.inventory
    splits = [f"{len(split.labels):,} {_words(name)}" for name, split in inventory.splits.items()]
    divided = f" ({', '.join(splits)})" if len(splits) > 1 else ""
    return f"{len(inventory.pictures):,} pictures{divided} of {len(inventory.classes):,} classes. {_words(report.verdict)}"


def _cards(report: Report) -> str:
    inventory, copies = report.inventory, report.copies
    stored, unreadable = sum(picture.stored for picture in inventory.pictures), int((~inventory.readable).sum())
    cards = [("pictures", f"{len(inventory.pictures):,}", ""), ("classes", f"{len(inventory.classes):,}", "")]
    cards += [("of files", f"{stored / 1e6:,.1f} MB", "")] if stored else []
    cards.append(("cannot be read", f"{unreadable:,}", "error" if unreadable else "fine"))
    groups = len(copies.exact) + len(copies.same_pixels) + len(copies.near)
    cards.append(("groups of copies", f"{groups:,}", "" if groups else "fine"))
    for weight in WEIGHTS[:2]:
        count = len(report.weighing(weight))
        cards.append((f"{weight}{'' if count == 1 else 's'}", str(count), weight if count else "fine"))
    return (
        "<dl class=cards>"
        + "".join(f'<div class="card {look}"><dt>{what}</dt><dd>{much}</dd></div>' for what, much, look in cards)
        + "</dl>"
    )


def _findings(report: Report, thumbnails: Thumbnails) -> str:
    if not report.findings:
        return f'<article class="finding fine-set"><h3>{_words(report.verdict)}</h3></article>'
    return "\n".join(_finding(report, finding, thumbnails) for finding in report.findings)


def _finding(report: Report, finding: Finding, thumbnails: Thumbnails) -> str:
    named = finding.kind == "unreadable"
    if named:
        shown = _list(f"{report.inventory.names[example.pictures[0]]}: {example.remark}" for example in finding.examples)
    else:
        groups = "".join(_group(report, example, thumbnails) for example in finding.examples[:SHOWN])
        more = len(finding.examples) - SHOWN
        pairs = " pairs" if any(len(example.pictures) > 1 for example in finding.examples[:SHOWN]) else ""
        shown = f'<div class="gallery{pairs}">{groups}</div>' * bool(groups) + f"<p class=more>and {more:,} more</p>" * (more > 0)
    advice = FLAG.sub(r"<code>\g<0></code>", _words(finding.advice))
    return (
        f"<article class='finding {finding.weight}'><span class=weight>{finding.weight}</span><h3>{_words(finding.says)}</h3>"
        f"<p>{advice}</p>{shown}</article>"
    )


def _group(report: Report, example: Example, thumbnails: Thumbnails) -> str:
    figures = "".join(_figure(report, i, thumbnails) for i in example.pictures)
    remark = f"<small>{_words(example.remark)}</small>" if example.remark else ""
    return f"<div class=group><div>{figures}</div>{remark}</div>"


def _figure(report: Report, i: int, thumbnails: Thumbnails) -> str:
    inventory = report.inventory
    where = f"{inventory.label(i)}, {inventory.split_name(i)}" if len(inventory.splits) > 1 else inventory.label(i)
    return f"<figure>{_image(report, i, thumbnails)}<figcaption>{_words(_short(inventory.names[i]))}<small>{_words(where)}</small></figcaption></figure>"


def _image(report: Report, i: int, thumbnails: Thumbnails) -> str:
    url = thumbnails.url(i)
    if not url:
        return "<div class=frame>not shown</div>"
    small = ' class="small"' if thumbnails.is_small(i) else ""
    return f'<div class=frame><img{small} src="{url}" alt="{_words(report.inventory.names[i])}" title="{_words(report.inventory.names[i])}"></div>'


def _short(name: str) -> str:
    """A path without the folders that are said beside it."""
    return name.rpartition("/")[2] or name


def _counts(report: Report) -> str:
    """A row for each class: bars and numbers."""
    inventory, table = report.inventory, report.inventory.counts()
    names, rows = list(inventory.splits), []
    for number in range(min(len(inventory.classes), ROWS)):
        counts = table[number].tolist()
        cells = "".join(f"<td class=number>{count:,}</td>" for count in counts)
        rows.append(f"<tr><td>{_words(inventory.classes[number])}</td><td>{bars(counts, int(table.max()))}</td>{cells}</tr>")
    if len(inventory.classes) > ROWS:
        cells = "".join(f"<td class=number>{count:,}</td>" for count in table[ROWS:].sum(0).tolist())
        rows.append(f"<tr><td>{len(inventory.classes) - ROWS:,} other classes</td><td></td>{cells}</tr>")
    heads = "".join(f"<th class=number>{_words(name)}</th>" for name in names)
    keys = "".join(f'<span><span class="key split{place}"></span>{_words(name)}</span>' for place, name in enumerate(names))
    legend = f"<div class=legend>{keys}</div>" * (len(names) > 1)
    return f"{legend}<table class=counts><thead><tr><th>class</th><th></th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _sizes(report: Report) -> str:
    inventory = report.inventory
    found = np.array([(picture.width, picture.height) for picture in inventory.pictures if not picture.reason])
    if not len(found):
        return ""
    figure = sizes(inventory)
    if not figure:
        return f"<p>All are {found[0][0]} wide and {found[0][1]} high.</p>"
    (least, most), middle = (found.min(0), found.max(0)), np.median(found, axis=0)
    said = f"{least[0]:,} to {most[0]:,} pixels wide, {middle[0]:,.0f} in the middle; {least[1]:,} to {most[1]:,} high, {middle[1]:,.0f} in the middle."
    keys = ""
    if len(inventory.classes) <= COLOURS:
        names = enumerate(inventory.classes)
        keys = "".join(f'<span><span class="key class{place}"></span>{_words(name)}</span>' for place, name in names)
    return (
        f"<p>{said} A dot is larger where more pictures have its size; both axes are logarithmic.</p><div class=legend>{keys}</div>{figure}"
    )


def _formats(report: Report) -> str:
    readable = [picture for picture in report.inventory.pictures if not picture.reason]
    kinds = Counter((picture.form, picture.mode) for picture in readable)
    rows = "".join(
        f"<tr><td>{_words(form)}</td><td>{_words(mode)}</td><td class=number>{count:,}</td></tr>"
        for (form, mode), count in kinds.most_common()
    )
    turned = sum(picture.orientation not in (1, None) for picture in readable)
    said = f"<p>{turned:,} of them are turned upright, as their EXIF says.</p>" if turned else ""
    return (
        f"<table class=formats><thead><tr><th>format</th><th>mode</th><th class=number>pictures</th></tr></thead><tbody>{rows}</tbody></table>{said}"
        * bool(rows)
    )


def _examples(report: Report, thumbnails: Thumbnails) -> str:
    """Some pictures of each class, taken evenly over it."""
    inventory, rows = report.inventory, []
    each = 10 if len(inventory.classes) <= 20 else 6
    for number, name in enumerate(inventory.classes[:STRIPS]):
        members = np.flatnonzero((inventory.labels == number) & inventory.readable)
        chosen = members[np.unique(np.linspace(0, len(members) - 1, each).round().astype(int))] if len(members) else members
        strip = "".join(_image(report, int(i), thumbnails) for i in chosen)
        rows.append(f"<tr><th scope=row>{_words(name)}</th><td><div class=strip>{strip}</div></td></tr>")
    more = len(inventory.classes) - STRIPS
    return f"<table class=strips><tbody>{''.join(rows)}</tbody></table>" + f"<p class=more>and {more:,} other classes</p>" * (more > 0)


def _list(lines: Iterable[str]) -> str:
    """Lines, the first of them by name."""
    lines = list(lines)
    more = len(lines) - LISTED
    items = "".join(f"<tr><td>{_words(line)}</td></tr>" for line in lines[:LISTED])
    return f"<table><tbody>{items}</tbody></table>" * bool(items) + f"<p class=more>and {more:,} more</p>" * (more > 0)


def _proposal(report: Report, proposal: Proposal) -> str:
    counts = proposal.counts(report.inventory)
    names = [name for name, part in zip(SPLITS, proposal.shares) if part]
    rows = [(name, [counts[split][number] for split in names]) for number, name in enumerate(report.inventory.classes[:ROWS])]
    rows.append(("all", [sum(counts[split]) for split in names]))
    body = "".join(f"<tr><td>{_words(name)}</td>{_cells(row)}</tr>" for name, row in rows)
    heads = "".join(f"<th class=number>{name}</th>" for name in names)
    left_out = [f"{report.inventory.names[i]}: {reason}" for i, reason in proposal.left_out.items()]
    said = f"<p>{len(left_out):,} pictures are left out of it:</p>{_list(left_out)}" if left_out else ""
    drawn = f"<p>Copies, near ones too, stay in one split; drawn with seed {proposal.seed}.</p>"
    return f"{drawn}<table><thead><tr><th>class</th>{heads}</tr></thead><tbody>{body}</tbody></table>{said}"


def _cells(counts: Sequence[int]) -> str:
    return "".join(f"<td class=number>{count:,}</td>" for count in counts)

"""How the doctor's page looks: by day, by night, on a phone and on paper."""

STYLE = (
    """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --sheet: #f4f6f8; --line: #dbe1e7; --ink: #1b2530; --soft: #55616c;
  --error: #b3261e; --warning: #8f5500; --note: #2b6496; --fine: #2a7048; --cell: #e9edf1;
  --c0: #2f7ab8; --c1: #d98324; --c2: #96578a; --c3: #2f8f62; --c4: #b8473d; --c5: #7a6a1e; --c6: #4b5bb5; --c7: #6d7780;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12171c; --sheet: #1b2229; --line: #323c46; --ink: #e6ebf0; --soft: #a3afba;
    --error: #ff8a80; --warning: #f5b95f; --note: #8fc1ee; --fine: #82d4a6; --cell: #272f38;
    --c0: #62a8e0; --c1: #f0a552; --c2: #cc92c1; --c3: #65c395; --c4: #ee8076; --c5: #cbb95c; --c6: #929ff0; --c7: #a9b3bd;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 Helvetica, Arial, "Liberation Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 48px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 12px; padding-bottom: 6px; border-bottom: 1px solid var(--line); }
h3 { font-size: 15px; margin: 0; display: inline; overflow-wrap: anywhere; }
p { margin: 4px 0 10px; max-width: 90ch; overflow-wrap: anywhere; }
.soft, figcaption small, .more { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); gap: 10px; margin: 22px 0 0; padding: 0; }
.card { background: var(--sheet); border-radius: 8px; padding: 10px 14px; }
.card dd { margin: 0; font-size: 22px; font-weight: bold; line-height: 1.25; font-variant-numeric: tabular-nums; }
.card dt { color: var(--soft); font-size: 13px; }
.card.error dd { color: var(--error); } .card.warning dd { color: var(--warning); } .card.fine dd { color: var(--fine); }
.card { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.finding { border: 1px solid var(--line); border-left: 5px solid var(--note); border-radius: 8px; padding: 12px 16px; margin: 12px 0; }
.finding.error { border-left-color: var(--error); } .finding.warning { border-left-color: var(--warning); }
.weight { font-size: 12px; font-weight: bold; text-transform: uppercase; letter-spacing: .04em; margin-right: 8px; color: var(--note); }
.error .weight { color: var(--error); } .warning .weight { color: var(--warning); }
.finding p { color: var(--soft); margin-bottom: 0; }
.fine-set { border-left-color: var(--fine); }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); gap: 12px; margin-top: 12px; }
.gallery.pairs { grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); }
.group { background: var(--sheet); border-radius: 8px; padding: 10px; min-width: 0; break-inside: avoid; }
.group > div { display: flex; gap: 8px; }
.group > small { display: block; margin-top: 6px; color: var(--soft); overflow-wrap: anywhere; }
figure { margin: 0; flex: 1; min-width: 0; }
figcaption { font-size: 12px; line-height: 1.35; margin-top: 4px; overflow-wrap: anywhere; }
figcaption small { display: block; font-size: 12px; }
.frame { height: 112px; display: flex; align-items: center; justify-content: center; background: var(--cell); border-radius: 5px;
  overflow: hidden; color: var(--soft); font-size: 12px; text-align: center; }
.frame img { max-width: 100%; max-height: 100%; }
img.small { image-rendering: pixelated; width: 96px; height: 96px; object-fit: contain; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 10px 4px 0; vertical-align: middle; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: normal; font-size: 13px; border-bottom: 1px solid var(--line); overflow-wrap: normal; }
td.number, th.number { text-align: right; padding-right: 0; padding-left: 12px; width: 1%; white-space: nowrap; }
tbody tr + tr td { border-top: 1px solid var(--line); }
.formats { max-width: 420px; }
.counts td:first-child { width: 22%; min-width: 84px; }
code { white-space: nowrap; font: inherit; }
svg { display: block; }
.bars { width: 100%; min-width: 70px; }
.bars .split0, .key.split0 { fill: var(--c0); background: var(--c0); } .bars .split1, .key.split1 { fill: var(--c1); background: var(--c1); }
.bars .split2, .key.split2 { fill: var(--c2); background: var(--c2); } .bars .split3, .key.split3 { fill: var(--c3); background: var(--c3); }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin: 0 6px 0 0; vertical-align: -1px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--soft); margin-bottom: 8px; }
.sizes { width: 100%; max-width: 620px; height: auto; }
.sizes text { font-size: 12px; fill: var(--soft); } .sizes .grid { stroke: var(--line); fill: none; }
.sizes circle { fill-opacity: .55; }
"""
    + "".join(f".class{i} {{ fill: var(--c{i}); background: var(--c{i}); }}\n" for i in range(8))
    + """
.strips th { vertical-align: middle; width: 16%; min-width: 76px; border: 0; color: var(--ink); font-size: 14px; overflow-wrap: anywhere; }
.strip { display: flex; flex-wrap: wrap; gap: 4px; padding: 3px 0; }
.strip .frame { width: 64px; height: 64px; }
.strip img { width: 64px; height: 64px; object-fit: cover; }
.strip img.small { object-fit: contain; }
footer { margin-top: 44px; color: var(--soft); font-size: 13px; border-top: 1px solid var(--line); padding-top: 10px; }
@media (max-width: 520px) {
  main { padding: 18px 12px 32px; } .cards { grid-template-columns: repeat(2, 1fr); }
  .finding { padding: 10px 12px; } .gallery { grid-template-columns: 1fr 1fr; } .gallery.pairs { grid-template-columns: 1fr; } .group { padding: 8px; } td.number, th.number { padding-left: 8px; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --sheet: #f4f6f8; --line: #c3cad1; --ink: #000; --soft: #444; --cell: #e9edf1;
    --error: #b3261e; --warning: #8f5500; --note: #2b6496; --fine: #2a7048; }
  body { font-size: 11pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0; } h2, h3 { break-after: avoid; } tr, .card { break-inside: avoid; }
}
"""
)

"""`report.html`: what a batch made, in one file that needs no server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from ..fomm_core.files import atomic_path
from ..fomm_core.wording import counted
from .manifest import DONE, FAILED, PENDING, Counts, Entry, Manifest

MOST_STRIPS = 1000
"""Pictures of so many jobs; a page with more is slow to open."""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #2a8f4f; --bad: #c8372d; --soft: #8882; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; }
.sum { display: flex; flex-wrap: wrap; gap: .6rem 1.6rem; margin: 0 0 1rem; }
.sum b { font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.bar { display: flex; height: 8px; border-radius: 4px; overflow: hidden; background: var(--soft); margin: 0 0 1.5rem; }
.bar i { display: block; } .bar .done { background: var(--good); } .bar .failed { background: var(--bad); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0 0 1.5rem; }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; } th { font-weight: 600; }
article { border-top: 1px solid var(--line); padding: .8rem 0; }
article h2 { font-size: 1rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
article img { display: block; height: 96px; max-width: 100%; object-fit: cover; object-position: left; margin: .4rem 0;
  border-radius: 4px; }
.tag { font-size: .75rem; font-weight: 600; padding: .1rem .45rem; border-radius: 4px; color: #fff;
  margin-right: .5rem; }
.tag.done { background: var(--good); } .tag.failed { background: var(--bad); } .tag.pending { background: #777; }
.more { color: #888; font-size: .85rem; } .more span { margin-right: 1.2rem; overflow-wrap: anywhere; }
.error { color: var(--bad); margin: .3rem 0; overflow-wrap: anywhere; }
pre { overflow: auto; max-height: 24rem; background: var(--soft); padding: .7rem; border-radius: 4px;
  font-size: .8rem; }
"""


def write_report(
    manifest: Manifest, batch: str, path: Path, *, title: str, reused: frozenset[str] = frozenset()
) -> None:
    """Write the page for the jobs of a batch. Failed ones come first. reused: ids of jobs that were done before."""
    strips = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as page:
        page.write(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>'
            f"<h1>{escape(title)}</h1>"
        )
        page.writelines(_summary(manifest.counts(batch), manifest.workers(batch), len(reused)))
        for state in (FAILED, DONE, PENDING):
            for entry in manifest.entries(batch, state=state):
                strips += bool(entry.strip)
                page.writelines(_job(entry, shown=strips <= MOST_STRIPS, before=entry.number in reused))
        page.write("</html>\n")


def _summary(counts: Counts, workers: list[tuple[str, int, int, float]], before: int) -> Iterator[str]:
    figures = {
        "jobs": counts.all,
        "done": counts.done,
        "failed": counts.failed,
        "left": counts.pending,
        "of them done before": before,
    }
    yield '<div class="sum">'
    yield from (f"<div><b>{figure}</b> {escape(word)}</div>" for word, figure in figures.items())
    yield "</div>"
    share = 100 / max(counts.all, 1)
    yield f'<div class="bar"><i class="done" style="width:{counts.done * share:.2f}%"></i>'
    yield f'<i class="failed" style="width:{counts.failed * share:.2f}%"></i></div>'
    if workers:
        yield "<table><tr><th>worker</th><th>jobs</th><th>frames</th><th>seconds</th><th>frames per second</th></tr>"
        for worker, jobs, frames, seconds in workers:
            yield f"<tr><td>{escape(worker)}</td><td>{jobs}</td><td>{frames}</td><td>{seconds:.1f}</td>"
            yield f"<td>{frames / seconds if seconds else 0:.1f}</td></tr>"
        yield "</table>"


def _job(entry: Entry, *, shown: bool, before: bool) -> Iterator[str]:
    yield f'<article><h2><span class="tag {entry.state}">{entry.state}</span>{escape(entry.name)}</h2>'
    if entry.strip and shown:
        picture = base64.b64encode(entry.strip).decode()
        yield f'<img alt="frames of {escape(entry.name)}" src="data:image/jpeg;base64,{picture}">'
    if entry.error:
        yield f'<p class="error">{escape(entry.error)}</p>'
    facts = [f"job {entry.number}"]
    if entry.state == DONE:
        rate = f", {entry.frames / entry.seconds:.1f} per second" if entry.seconds and entry.frames else ""
        facts += [f"{counted(entry.frames, 'frame')} in {entry.seconds:.2f} s{rate}", entry.worker]
    facts += [f"{entry.attempts} tries"] * (entry.attempts > 1)
    facts += [f"{counted(entry.reused, 'node')} reused"] * (entry.reused > 0) + ["done before"] * before
    settings = (f"{name} = {value}" for name, value in entry.settings.items())
    yield '<div class="more">'
    yield from (f"<span>{escape(str(fact))}</span>" for fact in chain(facts, settings))
    yield "</div>"
    if entry.files:
        links = (f'<span><a href="{quote(name)}">{escape(name)}</a></span>' for name in entry.files)
        yield f'<div class="more">{"".join(links)}</div>'
    if entry.details:
        yield f"<details><summary>traceback</summary><pre>{escape(entry.details)}</pre></details>"
    yield "</article>"

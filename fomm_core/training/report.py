"""An evaluation as a table for a terminal and as a page for a browser, which needs no other file."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from html import escape

from PIL import Image
from torch import Tensor

from ..fitting import to_uint8
from ..wording import counted
from .evaluate import Evaluation, Score, Shown
from .metrics import Column
from .strips import COLUMNS

HEADINGS = ("model", "first frame", "ratio")
JPEG_QUALITY = 88


def table(evaluation: Evaluation) -> str:
    """A block for each group, and one for all where there are several: metric | model | first frame | ratio."""
    blocks = [
        [(_title(score), *HEADINGS), *(_row(column, score) for column in evaluation.columns)]
        for score in _parts(evaluation)
    ]
    widths = [max(len(row[place]) for block in blocks for row in block) for place in range(1 + len(HEADINGS))]
    return "\n\n".join("\n".join(_line(row, widths) for row in block) for block in blocks)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    figures = [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *figures])


def page(evaluation: Evaluation) -> str:
    """HTML with the tables, the strips as embedded images, and the figures of each clip."""
    height, width = evaluation.size
    notes = [f"<li>{escape(reason)}</li>" for reason in evaluation.left_out]
    notes += [f"<li>{escape(f'{problem.name} was left out: {problem.reason}')}</li>" for problem in evaluation.problems]
    strips = {why: [shown for shown in evaluation.strips if shown.why == why] for why in ("sample", "worst")}
    parts = [
        f"<h1>{escape(evaluation.model)}</h1>",
        f"<p>{_title(evaluation.total)}, {width}×{height} pixels. Each clip is rebuilt from its first frame; beside it "
        "stands the first frame copied, which moves nothing. A ratio below 1 of a distance is the model's gain.</p>",
        *(_html_table(score, evaluation.columns) for score in _parts(evaluation)),
        *_strips("Samples", strips["sample"]),
        *_strips("Worst against the first frame", strips["worst"]),
        f"<h2>Notes</h2><ul>{''.join(notes)}</ul>" if notes else "",
        f"<details><summary>Each clip</summary>{_clips(evaluation)}</details>",
    ]
    body = "\n".join(part for part in parts if part)
    return PAGE.format(title=escape(f"{evaluation.model}: rebuilt clips"), body=body)


def _parts(evaluation: Evaluation) -> list[Score]:
    groups = list(evaluation.groups)
    return groups if len(groups) == 1 else [*groups, evaluation.total]


def _title(score: Score) -> str:
    counts = f"{counted(score.clips, 'clip')}, {counted(score.frames, 'frame')}"
    return f"{score.name}: {counts}" if score.name else counts


def _row(column: Column, score: Score) -> tuple[str, str, str, str]:
    ratio = math.nan if column.higher_is_better else score.ratio(column.name)
    figures = [_number(side[column.name].value, column.digits) for side in (score.model, score.baseline)]
    return column.title, figures[0], figures[1], _number(ratio, 3)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _html_table(score: Score, columns: tuple[Column, ...]) -> str:
    rows = ""
    for column in columns:
        title, *texts = _row(column, score)
        cells = "".join(f"<td>{text}</td>" for text in texts)
        rows += f"<tr><th>{title} {'↑' if column.higher_is_better else '↓'}</th>{cells}</tr>"
    heads = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    return f"<h2>{escape(_title(score))}</h2><table><tr><th></th>{heads}</tr>{rows}</table>"


def _strips(title: str, strips: list[Shown]) -> list[str]:
    if not strips:
        return []
    figures = [
        f'<figure><img src="{_embedded(shown.picture)}" alt="{", ".join(COLUMNS)}">'
        f"<figcaption>{escape(shown.score.name)}{_l1(shown.score)}</figcaption></figure>"
        for shown in strips
    ]
    heads = "".join(f"<span>{column}</span>" for column in COLUMNS)
    return [f'<h2>{title}</h2><p>Occlusion: bright is invented.</p><div class="heads">{heads}</div>', *figures]


def _l1(score: Score) -> str:
    if "l1" not in score.model:
        return ""
    return f": L1 {score.model['l1'].value:.4f}, first frame {score.baseline['l1'].value:.4f}"


def _embedded(picture: Tensor) -> str:
    """[3, H, W] as a data address."""
    file = io.BytesIO()
    Image.fromarray(to_uint8(picture[None])[0]).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _clips(evaluation: Evaluation) -> str:
    heads = "".join(f"<th>{column.title}</th><th>first frame</th>" for column in evaluation.columns)
    rows = []
    for score in evaluation.clips:
        cells = "".join(
            f"<td>{_number(side[column.name].value, column.digits)}</td>"
            for column in evaluation.columns
            for side in (score.model, score.baseline)
        )
        rows.append(f"<tr><th>{escape(score.name)}</th><td>{score.frames}</td>{cells}</tr>")
    return f"<table><tr><th></th><th>frames</th>{heads}</tr>{''.join(rows)}</table>"


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884; }}
th:first-child {{ text-align: left; font-weight: normal; }}
figure {{ margin: 0 0 1.5rem; }}
img {{ width: 100%; image-rendering: auto; border-radius: 4px; }}
.heads {{ display: grid; grid-template-columns: repeat(6, 1fr); text-align: center; font-size: .85rem; }}
figcaption {{ font-size: .85rem; opacity: .8; }}
h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""

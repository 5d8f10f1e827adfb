"""Changed files of every kind are read one after the other: `python -m tests.fuzz.run --count 10000 --seed 1`."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import random
import sys
import tempfile
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 10
"""For one input; then the process ends and says where it stood."""


@dataclass
class Found:
    """tried, refused: inputs. faults: what came besides a FommError, by kind, seed and number of the input."""

    tried: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


def fuzz(count: int, seed: int, folder: Path) -> Found:
    """Read `count` changed files; the same for the same seed. Files that appear beside them are faults too."""
    from fomm_nodes.fomm_core.errors import FommError

    from .inputs import kinds_of

    (folder / "good").mkdir()
    (folder / "tried").mkdir()
    kinds = list(kinds_of(folder / "good").items())
    found = Found()
    logging.disable(logging.CRITICAL)
    for number in range(count):
        rng = random.Random(f"{seed}:{number}")
        name, kind = kinds[number % len(kinds)]
        file, content = rng.choice(list(kind.seeds.items()))
        path = folder / "tried" / file
        path.write_bytes(kind.mutate(content, rng))
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kind.read(path)
        except FommError:
            found.refused += 1
        except Exception:
            found.faults.append(f"{name} {file}, seed {seed}, input {number}\n{traceback.format_exc()[-1500:]}")
        finally:
            faulthandler.cancel_dump_traceback_later()
        found.tried += 1
        path.unlink()
        if strays := list((folder / "tried").iterdir()):
            found.faults.append(f"{name} {file}, seed {seed}, input {number}: left {[stray.name for stray in strays]}")
    return found


def main() -> int:
    """Exit code 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = fuzz(arguments.count, arguments.seed, Path(folder))
    for fault in found.faults:
        print(fault, file=sys.stderr)
    print(f"{found.tried} inputs, {found.refused} refused, {len(found.faults)} faults")
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main())

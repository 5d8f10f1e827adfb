"""What the chosen Python is told to run: the worker, or the queue, of the folder that this file lies in.

Plain enough for any Python 3 to read, so that an old one can be told from a broken one.
"""

import importlib.util
import json
import os
import sys

OLDEST = (3, 10)
NAME = "fomm_nodes"


def main() -> None:
    """Bind this very package, whatever its folder is called, and serve; say in one line why that can't be."""
    root = os.path.dirname(os.path.abspath(__file__))
    for _ in range(3):
        root = os.path.dirname(root)
    if sys.version_info < OLDEST:
        refuse("old", "Python {}.{}".format(*sys.version_info))
    try:
        spec = importlib.util.spec_from_file_location(
            NAME, os.path.join(root, "__init__.py"), submodule_search_locations=[root]
        )
        assert spec is not None and spec.loader is not None  # noqa: PT018
        module = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = module
        spec.loader.exec_module(module)
        if sys.argv[1:2] == ["cli"]:
            sys.exit(importlib.import_module(NAME + ".cli.main").main(sys.argv[2:]))
        queue = sys.argv[1:2] == ["queued"]
        worker = importlib.import_module(NAME + (".batch.queued" if queue else ".batch.local.worker"))
    except ImportError as problem:
        refuse("missing", problem.name or str(problem))
    worker.main()


def refuse(kind: str, what: str) -> None:
    """One line for the client, then the end."""
    sys.stdout.write(json.dumps({"refused": kind, "what": what}) + "\n")
    sys.stdout.flush()
    sys.exit(3)


if __name__ == "__main__":
    main()

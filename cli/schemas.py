"""Which classes of node the commands know, and the options that say so."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..graph.schemas import Schemas


def add_schema_arguments(group: Any) -> None:
    """Where nodes of other packs are described."""
    group.add_argument(
        "--object-info",
        metavar="FILE|URL",
        help=(
            "the available nodes, for graphs with nodes other than ours and ComfyUI's own: a running ComfyUI "
            "(http://127.0.0.1:8188), or a file with its /object_info"
        ),
    )


def known_schemas(arguments: argparse.Namespace, models: Path | None = None) -> Schemas:
    """Of our blocks, of the core nodes that the local engine runs, and of those that --object-info tells.

    `models`: ComfyUI's folder of that name, for the choices of our own blocks; None leaves them open.
    """
    from ..batch.render import local_schemas
    from ..graph.schemas import schemas_from
    from ..nodes.hosts.headless.files import Folders

    known = local_schemas(None if models is None else Folders(inputs=(), models=(models,)))
    return known if arguments.object_info is None else known.merged(schemas_from(arguments.object_info))

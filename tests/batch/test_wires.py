"""Which wires fit is one rule, that of the server: what `fomm check` passes renders, what ComfyUI refuses does not."""

from __future__ import annotations

import pytest
from fomm_nodes.batch.engine import JobError, JobProgress
from fomm_nodes.batch.local.engine import LocalEngine
from fomm_nodes.batch.local.kinds import kinds_of
from fomm_nodes.batch.render import local_schemas
from fomm_nodes.graph.check import check
from fomm_nodes.graph.model import Graph
from wires import CASES, wired


@pytest.mark.parametrize(("given", "target", "port", "fit"), CASES)
def test_a_graph_is_checked_and_run_by_the_same_rule(
    given: str, target: str, port: str, fit: bool, engine: LocalEngine, job
) -> None:
    graph = wired(given, target, port)
    read = Graph.from_api(graph)
    found = [str(problem) for problem in check(read, local_schemas(None)) if problem.severity == "error"]
    if fit:
        assert found == []
        engine.run(job(graph), nothing)
    else:
        (problem,) = found
        assert given.split(",")[0] in problem
        with pytest.raises(JobError, match="its wire brings"):
            kinds_of(read)


def nothing(progress: JobProgress) -> None:
    """Hears of progress and does nothing."""


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 20
    assert len({fit for *_, fit in CASES}) == 2

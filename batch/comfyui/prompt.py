"""From a job to what a server is asked, and from its answers to the job's files or its failure."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..contents import ContentError
from ..engine import InputFile, Job, JobError
from ..inspector import Inspector
from ..outputs import Made, labels, publish
from ..passing import JOB_PREFIX, PassingFolder
from ..storage import reading
from .client import FOLDER, ComfyClient, RefusedError, RemoteFile
from .http import AnswerError

ENDINGS = {"execution_success", "execution_error", "execution_interrupted"}
STARTS = ENDINGS | {"execution_start", "execution_cached", "executing", "progress"}
Tick = Callable[..., None]
Publish = Callable[[Job, Sequence[Made], int, str], tuple[Path, ...]]
"""Gives a job's files their names; returns them."""

OURS = "FOMM_"
"""How the classes of our own blocks begin."""

MOST_FILES = 100_000
"""That one job may bring."""


class WrongFileError(JobError):
    """A server says that it has made a file, and gives none, or one that is not what it should be."""


class Prompt:
    """A job on its way through one server. `started`: it is its turn there."""

    def __init__(self, identity: str, job: Job, client: ComfyClient, uploads: threading.Lock) -> None:
        self.id = identity
        self.job = job
        self._client = client
        self._uploads = uploads
        self._plain: set[tuple[str, str]] = set()
        """Inputs (node, port) whose block lists only files that lie in no folder."""
        self.started = False
        self._node = ""

    def graph(self) -> dict[str, Any]:
        """The job's graph, its files under the names that they have on the server.

        Outputs go to a folder of the job's own there, so that two servers that share a folder do not meet.
        """
        graph = {key: {**node, "inputs": dict(node["inputs"])} for key, node in self.job.graph.items()}
        for file in self.job.inputs:
            remote = self._remote(file)
            graph[file.node]["inputs"][file.port] = f"{remote.subfolder}/{remote.name}".lstrip("/")
        for node in graph.values():
            prefix = node["inputs"].get("filename_prefix")
            if isinstance(prefix, str):
                stem = re.split(r"[/\\]", prefix)[-1] or "out"
                node["inputs"]["filename_prefix"] = f"{FOLDER}/{self.job.key[:16]}/{stem}"
        return graph

    def send_inputs(self, tick: Tick) -> None:
        """Upload those of the job's files that the server does not have; they are named by their content.

        Raises:
            JobError: A file cannot be read, or the server takes none of its size.
        """
        while not self._uploads.acquire(timeout=1.0):  # one at a time: no file is written while another job reads it
            tick()
        try:
            for file in self.job.inputs:
                tick()
                self._send(file, tick)
        finally:
            self._uploads.release()

    def _send(self, file: InputFile, tick: Tick) -> None:
        remote = self._remote(file)
        size = 0
        try:
            with reading(file.path) as content:
                size = content.seek(0, 2)
                content.seek(0)
                if not self._client.has_input(remote, size, tick):
                    self._client.upload(content, remote, size, tick)
        except RefusedError as error:
            hint = ": start it with a larger --max-upload-size" if error.status == 413 else ""
            raise JobError(
                f"{error} to the upload of {file.name} ({size / 1e6:.1f} MB){hint}", retryable=False
            ) from None
        except OSError as error:
            raise JobError(f"cannot read {file.name}: {error.strerror or error}", retryable=False) from None

    def submit(self, tick: Tick) -> None:
        """Queue the graph.

        Raises:
            RefusedError: It does not fit this server's nodes.
        """
        try:
            self._client.submit(self.graph(), self.id, self.id, tick)
        except RefusedError as error:
            refused = {(node, _named_input(problem)): problem.get("type") for node, problem in _problems(error.reply)}
            files = {(file.node, file.port) for file in self.job.inputs}.intersection(refused)
            if not files:
                raise
            self._plain = {place for place in files if refused[place] == "value_not_in_list"}
            self.send_inputs(tick)  # under plain names, or once more where the server has lost them since
            self._client.submit(self.graph(), self.id, self.id, tick)

    def position(self, event: Mapping[str, Any]) -> tuple[str, int, int]:
        """Title of the node at work, and how far it is, once `event` was heard."""
        data = event.get("data", {})
        done = total = 0
        self.started = self.started or event.get("type") in STARTS
        if event.get("type") in {"executing", "progress"} and data.get("node"):
            self._node = title(self.job, str(data["node"]))
        if event.get("type") == "progress":
            done, total = (_whole(data.get(key)) for key in ("value", "max"))
        return self._node, done, total

    def ended(self, event: Mapping[str, Any]) -> bool:
        """Whether `event` is the last of this prompt."""
        data = event.get("data", {})
        last = event.get("type") in ENDINGS or (event.get("type") == "executing" and not data.get("node"))
        return last and data.get("prompt_id") == self.id

    def reused(self, entry: Mapping[str, Any]) -> int:
        """How many nodes the server had not to run again."""
        nodes = _messages(entry).get("execution_cached", {}).get("nodes")
        return len(nodes) if isinstance(nodes, list) else 0

    def _remote(self, file: InputFile) -> RemoteFile:
        suffix = _suffix(str(file.path))
        if (file.node, file.port) in self._plain:
            return RemoteFile(f"fomm-{file.digest[:24]}{suffix}", "", "input")
        return RemoteFile(f"{file.digest[:24]}{suffix}", FOLDER, "input")


def title(job: Job, node: str) -> str:
    """What the graph calls a node; `node` may lie in an expansion of it ("5.0.0.2")."""
    found = job.graph.get(node) or job.graph.get(node.split(".")[0])
    if not found:
        return node
    return str(found.get("_meta", {}).get("title") or found.get("class_type") or node)


def refusal(job: Job, error: RefusedError, server: str) -> JobError:
    """A server's words about a graph that it does not take."""
    overall = error.reply.get("error")
    says = [f"{title(job, node)}: {_words(problem)}" for node, problem in _problems(error.reply)]
    first = next((title(job, node) for node, _ in _problems(error.reply)), "")
    if not says and isinstance(overall, Mapping):
        says = [_words(overall)]
        about = overall.get("extra_info")
        if isinstance(about, Mapping) and (kind := about.get("class_type")):
            first = first or title(job, str(about.get("node_id", "")))
            if str(kind) not in says[0]:  # ComfyUI 0.33 names the title alone
                says = [f"{says[0]} (class {kind})"]
            if str(kind).startswith(OURS):
                says.append("put fomm-nodes into the custom_nodes of that ComfyUI, and restart it")
    return JobError(
        f"{server} refuses the graph: {'; '.join(says) or overall or error}",
        retryable=False,
        node=first,
        details="\n".join(says),
    )


def failure(job: Job, entry: Mapping[str, Any], server: str) -> JobError | None:
    """Why a prompt that has ended made nothing; None where it succeeded."""
    messages = _messages(entry)
    if "execution_interrupted" in messages:
        return JobError(f"the job was interrupted at {server} by somebody")
    problem = messages.get("execution_error")
    if problem is None:
        if (entry.get("status") or {}).get("status_str") == "error":
            return JobError(f"the job failed at {server}, which does not say why")
        return None
    node = title(job, str(problem.get("node_id", "")))
    trace = problem.get("traceback") or ()
    return JobError(
        f"{node} failed at {server}: {problem.get('exception_type', 'error')}: "
        f"{str(problem.get('exception_message', '')).strip()}",
        node=node,
        details="".join(map(str, trace)) if isinstance(trace, list) else str(trace),
    )


def fetch(
    job: Job,
    entry: Mapping[str, Any],
    client: ComfyClient,
    inspector: Inspector,
    tick: Tick,
    publish: Publish = publish,
) -> tuple[tuple[Path, ...], int]:
    """Bring what a prompt made here, under its final names; returns the files, and how many images they hold.

    Raises:
        WrongFileError: A file does not come, or is none of its kind.
        JobError: Nothing was made, or it cannot be written here.
    """
    found = list(dict.fromkeys(_made(job, entry)))
    if len(found) > MOST_FILES:
        raise WrongFileError(f"{client.name} made {len(found)} files, more than any job is expected to")
    left = client.largest_file
    try:
        job.output.parent.mkdir(parents=True, exist_ok=True)
        with PassingFolder(JOB_PREFIX, job.output.parent, tidy=False) as folder:
            made, frames, words = [], 0, labels(job.graph)
            for index, (node, remote) in enumerate(found):
                path = folder / f"{index}{_suffix(remote.name)}"
                try:
                    left -= client.download(remote, path, tick, most=left)
                    frames += inspector.check(path, tick)
                except (AnswerError, RefusedError, ContentError) as error:
                    raise WrongFileError(
                        f"{client.name} does not give “{remote.name}”, which it has just made: {error}"
                    ) from None
                label = words.get(node) or title(job, node)
                made.append(Made(label, path, remote.kind == "temp", node.split(".")[0]))
            return publish(job, made, frames, client.name), frames
    except OSError as error:
        raise JobError(f"cannot write to {job.output.parent}: {error.strerror or error}") from None


def _whole(value: Any) -> int:
    """A number that a server tells, as far as it is one."""
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1 << 53 else 0


def _made(job: Job, entry: Mapping[str, Any]) -> Iterator[tuple[str, RemoteFile]]:
    """(node, file) of all that nodes of the job's graph wrote or show, in the graph's order."""
    outputs = entry.get("outputs") or {}
    order = {key: index for index, key in enumerate(job.graph)}
    for node in sorted(outputs, key=lambda key: order.get(key.split(".")[0], len(order))):
        for shown in outputs[node].values():
            for file in shown if isinstance(shown, list) else ():
                if isinstance(file, Mapping) and file.get("filename") and file.get("type") in {"output", "temp"}:
                    yield node, RemoteFile(str(file["filename"]), str(file.get("subfolder") or ""), str(file["type"]))


def _suffix(name: str) -> str:
    """Of a name that somebody else chose: letters and digits only."""
    suffix = PurePosixPath(name.replace("\\", "/")).suffix
    return suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else ""


def _problems(reply: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    nodes = reply.get("node_errors")
    for node, found in nodes.items() if isinstance(nodes, Mapping) else ():
        problems = found.get("errors") if isinstance(found, Mapping) else None
        for problem in problems if isinstance(problems, list) else ():
            if isinstance(problem, Mapping):
                yield str(node), problem


def _named_input(problem: Mapping[str, Any]) -> str:
    extra = problem.get("extra_info")
    return str(extra.get("input_name", "")) if isinstance(extra, Mapping) else ""


def _words(problem: Mapping[str, Any]) -> str:
    return ": ".join(str(problem[key]) for key in ("message", "details") if problem.get(key))


def _messages(entry: Mapping[str, Any]) -> dict[str, Any]:
    messages = (entry.get("status") or {}).get("messages") or ()
    return {name: data for name, data in messages}

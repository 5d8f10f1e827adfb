"""Jobs on ComfyUI servers: any graph with any packs. Servers run already, or are started from a checkout."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...fomm_core.errors import FommError
from ..engine import (
    ClosedError,
    Job,
    JobError,
    JobProgress,
    NoWorkersError,
    OnProgress,
    Outcome,
    Promises,
    WorkerLostError,
)
from ..inspector import Inspector
from ..outputs import publish
from .client import LARGEST_FILE, ComfyClient, Events, RefusedError
from .http import AnswerError, ServerError
from .process import START_SECONDS, STOP_SECONDS, Checkout, ComfyProcess
from .prompt import Prompt, Publish, WrongFileError, failure, fetch, refusal

log = logging.getLogger("fomm.render")

PATIENCE = 60.0
"""Seconds for which a server may be silent in the middle of a job, and for which we wait for lost ones to come back."""

POLL_LISTENING, POLL_DEAF, POLL_ENDED = 5.0, 1.0, 0.05
"""Seconds between looks at the queue: while the websocket tells how it goes, without one, and after its last word."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
"""Seconds until a lost server is asked again; twice as long each time."""


class _Server:
    """One server, and what we know of it.

    seen: it has answered once.
    trouble: why it is set aside; empty where it is not.
    coming: ids of the jobs that we are bringing to its queue, which count as if they were in it.
    broken: ids of the jobs whose files did not come through once.
    abandoned: prompts of ours that it may still have when it comes back.
    """

    def __init__(self, client: ComfyClient, process: ComfyProcess | None = None) -> None:
        self.client = client
        self.process = process
        self.seen = False
        self.trouble = ""
        self.retry_at = 0.0
        self.pause = FIRST_PAUSE
        self.coming: set[str] = set()
        self.broken: set[str] = set()
        self.abandoned: set[str] = set()
        self.uploads = threading.Lock()

    @property
    def name(self) -> str:
        return self.client.name

    def queue_length(self, start_seconds: float, tick: Callable[[], None]) -> int | None:
        """Of a server that takes jobs; None while it starts, or is set aside."""
        if self.trouble and time.monotonic() < self.retry_at:
            return None
        try:
            if self.process is not None and not self.process.ready(self.client, start_seconds):
                return None
            length = self.client.queue_length(tick)
            for prompt in tuple(self.abandoned):
                self.client.cancel(prompt)
                self.abandoned.discard(prompt)
        except (ServerError, RefusedError) as error:
            self.set_aside(str(error))
            return None
        self.seen, self.trouble = True, ""
        return length

    def set_aside(self, trouble: str) -> None:
        if self.trouble and time.monotonic() < self.retry_at:
            return  # another job was quicker to see it
        if not self.trouble:
            log.warning("%s; jobs go to other servers until it answers again", trouble.splitlines()[0].rstrip(":"))
        self.trouble = trouble
        self.retry_at = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, LONGEST_PAUSE)


class ComfyUIEngine:
    """Spreads jobs over servers by the length of their queues; see `engine.Engine`.

    A server that refuses, hangs or dies is set aside, and asked again from time to time; one that was started here is
    started again. A graph that one server refuses (it may lack a pack or a model) is offered to the others.
    """

    def __init__(
        self,
        servers: Sequence[str] = (),
        checkouts: Sequence[Checkout] = (),
        *,
        patience: float | None = None,
        answer_seconds: float = 10.0,
        start_seconds: float = START_SECONDS,
        largest: int = LARGEST_FILE,
        publish: Publish = publish,
    ) -> None:
        """Use the servers at these addresses, and one of each checkout, which starts with the first job.

        largest: bytes that one job may bring from a server, so that none fills the disk. publish: gives files their
        names.

        Raises:
            FommError: No server at all; an address that is none; a checkout that is none.
        """
        if not servers and not checkouts:
            raise FommError("expected the address of at least one ComfyUI server, or a checkout to start one from")

        def client_of(url: str) -> ComfyClient:
            return ComfyClient(url, answer_seconds=answer_seconds, largest_file=largest)

        clients = {client.url: client for client in map(client_of, servers)}
        self._servers = [_Server(client) for client in clients.values()]
        for process in [ComfyProcess(checkout) for checkout in checkouts]:
            self._servers.append(_Server(client_of(process.url), process))
        self._patience = PATIENCE if patience is None else patience
        self._start_seconds = start_seconds
        self._publish = publish
        self._inspector = Inspector()
        self._choosing = threading.Lock()
        self._turn = 0
        self._closed = threading.Event()
        self._idle = threading.Condition()
        self._active = 0

    @property
    def promises(self) -> Promises:
        """What a server keeps from job to job is its own business; `Outcome.reused` counts what it says."""
        return Promises(reuses=False, survives=True)

    @property
    def workers(self) -> tuple[str, ...]:
        """Addresses of the servers that are not set aside."""
        return tuple(server.name for server in self._servers if not server.trouble)

    def run(self, job: Job, progress: OnProgress) -> Outcome:
        """Run a job on the server with the shortest queue; see `engine.Engine.run`."""
        with self._idle:
            self._active += 1
        try:
            refusals: dict[_Server, JobError] = {}
            while True:
                server = self._choose(job.id, refusals, lambda: progress(JobProgress(job.id, "")))
                try:
                    return self._render(server, job, progress)
                except RefusedError as error:
                    refusals[server] = refusal(job, error, server.name)
                except WrongFileError as error:
                    log.warning("%s", error)
                    refusals[server] = error
                except ServerError as error:
                    details = server.process.log() if server.process is not None else ""
                    if server.process is not None:
                        server.process.kill()
                    server.set_aside(str(error))
                    raise WorkerLostError(f"{error}; the job was there", details=details) from None
                finally:
                    server.coming.discard(job.id)
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def object_info(self, tick: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """The node classes of one of the servers, which is started where needed; `tick` is called while that lasts.

        Raises:
            NoWorkersError: There is none.
        """
        server = self._choose("", {}, tick)
        server.coming.discard("")
        try:
            return server.client.object_info(tick)
        except (ServerError, RefusedError) as error:
            raise NoWorkersError(f"{server.name} does not tell what nodes it has: {error}") from None

    def close(self) -> None:
        """End the servers that were started here; take our prompts from the others."""
        self._closed.set()
        for server in self._servers:
            if server.process is not None:
                server.process.kill()
        with self._idle:
            self._idle.wait_for(lambda: not self._active, timeout=2 * STOP_SECONDS)
        for server in self._servers:
            if server.process is not None:
                server.process.close()
            server.client.close()
        self._inspector.close()

    def __enter__(self) -> ComfyUIEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ----- which server

    def _choose(self, job: str, refusals: Mapping[_Server, JobError], tick: Callable[[], None]) -> _Server:
        """The server with the shortest queue among those that have not refused the job."""
        give_up = time.monotonic() + self._patience
        while True:
            if self._closed.is_set():
                raise NoWorkersError("the engine is closed.")
            tick()
            server = self._shortest(job, refusals, tick)
            if server is not None:
                return server
            if any(s.process is not None and s.process.starting for s in self._servers if s not in refusals):
                give_up = time.monotonic() + self._patience
            elif refusals:
                raise next(iter(refusals.values()))
            elif time.monotonic() > give_up or not any(s.seen for s in self._servers):
                raise NoWorkersError(
                    "no ComfyUI server is left. " + "; ".join(s.trouble or s.name for s in self._servers)
                )
            time.sleep(0.5)

    def _shortest(self, job: str, refusals: Mapping[_Server, JobError], tick: Callable[[], None]) -> _Server | None:
        lengths = {s: s.queue_length(self._start_seconds, tick) for s in self._servers if s not in refusals}
        with self._choosing:
            ring = self._servers[self._turn :] + self._servers[: self._turn]
            ready = {s: length + len(s.coming) for s in ring if (length := lengths.get(s)) is not None}
            if not ready:
                return None
            server = min(ready, key=lambda s: ready[s])
            self._turn = (self._servers.index(server) + 1) % len(self._servers)
            server.coming.add(job)
            return server

    # ----- one job on one server

    def _render(self, server: _Server, job: Job, progress: OnProgress) -> Outcome:
        began = time.monotonic()
        prompt = Prompt(str(uuid.uuid4()), job, server.client, server.uploads)

        def tell(node: str = "", done: int = 0, total: int = 0) -> None:
            self._check_open()
            progress(JobProgress(job.id, server.name if prompt.started else "", node, done, total))

        prompt.send_inputs(tell)
        with server.client.events(prompt.id) as events:
            try:
                prompt.submit(tell)
                server.coming.discard(job.id)
                entry = self._wait(server, prompt, events, tell)
            except RefusedError:
                raise
            except ServerError:
                server.abandoned.add(prompt.id)
                raise
            except BaseException:  # cancelled, or out of time
                self._cancel(server, prompt)
                raise
        trouble = failure(job, entry, server.name)
        if trouble is not None:
            raise trouble
        try:
            files, frames = fetch(job, entry, server.client, self._inspector, tell, self._publish)
        except ServerError as error:
            if job.id in server.broken:
                raise WrongFileError(f"a file of the job does not come through: {error}") from None
            server.broken.add(job.id)
            raise
        server.broken.discard(job.id)
        server.pause = FIRST_PAUSE
        return Outcome(files, time.monotonic() - began, frames, server.name, prompt.reused(entry))

    def _wait(self, server: _Server, prompt: Prompt, events: Events, tell: Callable[..., None]) -> dict:
        """The history of the prompt, once it has ended."""

        def still() -> None:
            tell(*prompt.position({}))

        poll, heard = POLL_LISTENING, time.monotonic()
        look_at = heard + poll
        while True:
            event = events.next(1.0 if poll > 1 else poll) if events.open else {}
            if not events.open:
                poll = min(poll, POLL_DEAF)
                look_at = min(look_at, time.monotonic() + poll)
                time.sleep(poll)
            tell(*prompt.position(event or {}))
            if prompt.ended(event or {}):
                poll, look_at = POLL_ENDED, 0.0
            if time.monotonic() < look_at:
                continue
            try:
                place = server.client.place(prompt.id, still)
                entry = None if place else server.client.history(prompt.id, still)
            except (ServerError, RefusedError) as error:
                gone = isinstance(error, ServerError) and error.gone
                if gone or isinstance(error, AnswerError) or time.monotonic() - heard > self._patience:
                    raise ServerError(str(error), gone=gone) from None
                continue
            heard = time.monotonic()
            look_at = heard + poll
            if entry is not None:
                prompt.started = True
                return entry
            prompt.started = prompt.started or place == "running"
            if not place:
                raise WorkerLostError(
                    f"{server.name} knows nothing of the job any more: it was started again, or its queue was cleared"
                )

    def _cancel(self, server: _Server, prompt: Prompt) -> None:
        """Have a prompt ended; a server of ours that does not obey is ended itself."""
        with contextlib.suppress(ServerError, RefusedError):
            server.client.cancel(prompt.id)
            deadline = time.monotonic() + STOP_SECONDS
            while server.process is not None and server.process.running:
                if not server.client.place(prompt.id):
                    return
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        if server.process is not None and not self._closed.is_set():
            server.process.kill()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ClosedError

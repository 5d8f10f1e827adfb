"""What a run leaves to be looked at: losses as JSON lines, images, TensorBoard's files where it is installed."""

from __future__ import annotations

import json
from contextlib import ExitStack
from io import StringIO
from types import TracebackType
from typing import IO, Any

from ..errors import TrainingError
from ..files import atomic_path
from ..fitting import to_uint8
from ..video import read_image, write_image
from ..video.pixels import Pixels
from .loop import Event, PicturesDrawn, StepDone
from .state import RunFolder, writing

TENSORBOARD_EVERY = 10
"""Steps between TensorBoard's points."""


class RunLog:
    """Hears a run's events and writes them into its folder; used in a `with` block.

    log.jsonl: a line for each step, {"step", "losses", "learning_rate", "seconds"}. strips/step-00000500.png: source |
    driving | keypoints | warped | occlusion | result of the first pairs. tensorboard/: the same losses and images.

    Args:
        folder: of the run.
        step: where the run goes on; lines of later steps are left from a process that was killed, and dropped.
        rows: pairs shown in an image.
        tensorboard: whether to write TensorBoard's files, if it is installed.
    """

    def __init__(self, folder: RunFolder, *, step: int = 0, rows: int = 4, tensorboard: bool = True) -> None:
        self.folder, self.rows = folder, rows
        self.path = folder.path / "log.jsonl"
        with writing(self.path):
            self._drop_lines_after(step)
            self._file: IO[str] = open(self.path, "a", encoding="utf-8")  # noqa: SIM115  # closed by the block's end
        self._writer = _tensorboard_writer(folder, step) if tensorboard else None

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as closing:
            closing.callback(self._file.close)
            if self._writer is not None:
                closing.callback(self._writer.close)

    def __call__(self, event: Event) -> None:
        """Write what there is to write. Raises TrainingError where it can't be."""
        with writing(self.path):
            if isinstance(event, StepDone):
                line = {"step": event.step, "losses": event.losses}
                line |= {"learning_rate": event.learning_rate, "seconds": round(event.seconds, 4)}
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
                if self._writer is not None and event.step % TENSORBOARD_EVERY == 0:
                    for name, value in event.losses.items():
                        self._writer.add_scalar(f"losses/{name}", value, event.step)
                    self._writer.add_scalar("learning_rate", event.learning_rate, event.step)
                    self._writer.add_scalar("steps_per_second", 1 / max(event.seconds, 1e-9), event.step)
            elif isinstance(event, PicturesDrawn):
                picture = event.strip(self.rows)
                path = self.folder.path / "strips" / f"step-{event.step:08d}.png"
                with atomic_path(path) as temporary:
                    write_image(temporary, to_uint8(picture[None])[0])
                if self._writer is not None:
                    self._writer.add_image("pictures", picture, event.step)

    def _drop_lines_after(self, step: int) -> None:
        if not self.path.exists():
            return
        kept = StringIO()
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] > step:
                    break
            except (json.JSONDecodeError, KeyError, TypeError):  # cut off as the process ended
                break
            kept.write(line + "\n")
        with atomic_path(self.path) as temporary:
            temporary.write_text(kept.getvalue(), encoding="utf-8")


def read_losses(folder: RunFolder) -> list[dict[str, Any]]:
    """The lines of a run's log.jsonl."""
    text = (folder.path / "log.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def latest_strip(folder: RunFolder) -> Pixels:
    """The newest of a run's images, uint8 [H, W, 3]. Raises TrainingError where there is none."""
    pictures = sorted((folder.path / "strips").glob("step-*.png"))
    if not pictures:
        raise TrainingError(f"expected a run that has drawn images; '{folder.path}' holds none.")
    return read_image(pictures[-1])


def _tensorboard_writer(folder: RunFolder, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder.path / "tensorboard"), purge_step=step + 1)

"""A file becomes a model in a folder: whole, checked, recorded; or nothing does."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..checkpoints import Checkpoint, convert, read_checkpoint
from ..checkpoints.recognise import expected_shapes, nearest_preset
from ..config import preset
from ..errors import CheckpointError, FommError
from ..files import digest_of, naming_full_disk
from ..library import SUFFIXES, Record, kind_among, read_record, record_path, write_record
from ..wording import setting
from .transfer import PATIENCE, OnBytes, Patience, Remote, download, forget, held

MARGIN = 16 << 20
"""Bytes that stay free on a disk."""


@dataclass(frozen=True)
class Installed:
    """A model that is there.

    record: what is kept beside it. left_out: what conversion to safetensors dropped, such as optimizers.
    """

    path: Path
    record: Record
    left_out: tuple[str, ...] = ()


def install(
    source: Remote | Path,
    target: Path,
    *,
    preset_name: str | None = None,
    to_safetensors: bool = False,
    report: OnBytes | None = None,
    patience: Patience = PATIENCE,
) -> Installed:
    """Download a file, or copy one from this machine, to `target`; check it, and record its SHA-256 beside it.

    preset_name: what the weights have to fit; None for any First Order Motion Model. to_safetensors: keep the weights
    as one safetensors file in place of the published one. What is broken off is gone on with by the next call.

    Raises:
        DownloadError: It can't be had.
        CheckpointError: It is something else; then nothing of it is left.
        FommError: Another call is at it, it is there already, or there is no room.
    """
    if not target.name.endswith(SUFFIXES):
        raise FommError(f"expected a model's file ({', '.join(SUFFIXES)}); got '{target.name}'.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target):
        if target.exists():
            raise FommError(f"expected no such model yet; '{target}' is there. Remove it to have it again.")
        part = part_of(target)
        if isinstance(source, Remote):
            _check_room(target.parent, source.size - held(part, source), also=source.size if to_safetensors else 0)
            download(source, part, report=report, patience=patience)
            origin = source.url
        else:
            _checked(source, preset_name, str(source))
            size = source.stat().st_size
            _check_room(target.parent, size, also=size if to_safetensors else 0)
            with naming_full_disk(part):
                shutil.copyfile(source, part)
            origin = source.name
        try:
            kind = kind_among(target, _checked(part, preset_name, origin).presets)
        except CheckpointError:
            forget(part)
            raise
        record = _record(part, kind, origin)
        write_record(target, record)
        os.replace(part, target)
        forget(part)
        return _converted(target, record) if to_safetensors else Installed(target, record)


def part_of(target: Path) -> Path:
    """Where a download grows: hidden, and with the same ending, by which it is read."""
    stem = target.name.split(".")[0]
    return target.with_name(f".{stem}.part{target.name[len(stem) :]}")


def make_safetensors(path: Path) -> Installed:
    """A model that is there, as safetensors in place of what it is."""
    record = read_record(path) or _record(path, kind_among(path, read_checkpoint(path).presets), path.name)
    return _converted(path, record)


def verify(path: Path) -> tuple[bool | None, str]:
    """Read a whole model: (whether its SHA-256 is the recorded one, or None without a record; kind of model).

    Raises CheckpointError where the weights can't be read.
    """
    record = read_record(path)
    if record is None:
        return None, kind_among(path, read_checkpoint(path).presets)
    with path.open("rb") as file:
        if digest_of(file) != record.sha256:
            return False, record.kind
    return True, kind_among(path, read_checkpoint(path).presets)


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keeps a second call off the same file."""
    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise FommError(f"another call is downloading '{target.name}' into {target.parent}. Wait for it.") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps what is open
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _check_room(folder: Path, needed: int, *, also: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + also + MARGIN:
        raise FommError(
            f"expected room for {(needed + also) / 1e6:,.0f} MB in {folder}; {free / 1e6:,.0f} MB are free. Make "
            f"room, or name another folder ({setting('folder')})."
        )


def _checked(path: Path, preset_name: str | None, origin: str) -> Checkpoint:
    """What is in a file; raises CheckpointError, in words about `origin`, where it is not what was asked for."""
    try:
        checkpoint = read_checkpoint(path)
    except CheckpointError as problem:
        text = re.sub(re.escape(f"'{path}'"), lambda _: f"'{origin}'", str(problem))
        raise CheckpointError(f"what came is no model: {text}") from problem
    if preset_name is None or preset_name in checkpoint.presets:
        return checkpoint
    shapes = {key: tuple(value.shape) for key, value in checkpoint.state.items() if "discriminator." not in key}
    if not checkpoint.presets and shapes == expected_shapes(preset(preset_name)):
        return checkpoint  # with a discriminator of its own, which nothing here uses
    nearest, differences = nearest_preset(checkpoint.state)
    fitting = " or ".join(checkpoint.presets) or f"a model nearest to {nearest} ({differences} differences)"
    raise CheckpointError(f"expected weights of {preset_name} in '{origin}'; they are those of {fitting}.")


def _record(path: Path, kind: str, origin: str) -> Record:
    with path.open("rb") as file:
        return Record(digest_of(file), path.stat().st_size, kind, origin)


def _converted(path: Path, record: Record) -> Installed:
    if path.suffix == ".safetensors":
        return Installed(path, record)
    stem = path.name.removesuffix(".tar").rsplit(".", 1)[0]
    target = path.with_name(f"{stem}.safetensors")
    part = part_of(target)
    try:
        with naming_full_disk(target):
            checkpoint = convert(path, part, metadata={"source": record.source, "source_sha256": record.sha256})
        made = _record(part, record.kind, record.source)
        write_record(target, made)
        os.replace(part, target)  # last, so that what is broken off before begins anew
    finally:
        part.unlink(missing_ok=True)
    path.unlink()
    record_path(path).unlink(missing_ok=True)
    return Installed(target, made, checkpoint.left_out)

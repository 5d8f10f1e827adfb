"""Which values a batch runs over: a product (or zip) of lists, or the rows of a table."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..fomm_core.errors import FommError

Row = Mapping[str, Any]


def combined(lists: Mapping[str, Sequence[Any]], *, zipped: bool = False) -> Iterator[Row]:
    """One row per combination, the last list running fastest; zipped: the first values together, the second, ...

    Lists of one value go with every row. Raises FommError where zipped lists differ in length.
    """
    if zipped:
        lengths = {name: len(values) for name, values in lists.items() if len(values) > 1}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            raise FommError(
                f"expected lists of one length to go side by side; got {told}. Leave --zip out for all pairs."
            )
        count = next(iter(lengths.values()), 1)
        lists = {name: list(values) * count if len(values) == 1 else values for name, values in lists.items()}
        rows: Iterator[tuple[Any, ...]] = zip(*lists.values(), strict=True) if lists else iter([()])
    else:
        rows = itertools.product(*lists.values())
    return (dict(zip(lists, row, strict=True)) for row in rows)


def table_rows(path: Path) -> Iterator[Row]:
    """The rows of a job table, a few in memory at a time: .csv (with a line of names), .jsonl, or .parquet.

    Raises:
        FommError: There is no such table, it is empty, or a line of it is broken.
    """
    readers = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FommError(f"expected a job table with the ending {', '.join(readers)}; got '{path}'.")
    if not path.is_file():
        raise FommError(f"expected a job table; there is no '{path}'. Check the name.")
    empty = True
    for row in reader(path):
        empty = False
        yield row
    if empty:
        raise FommError(f"expected at least one job; the table '{path}' has no rows.")


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise FommError(
                        f"{path}, line {reader.line_num}: expected {len(reader.fieldnames or ())} columns; it has "
                        f"{'more' if None in row else 'fewer'}."
                    )
                yield row
        except (csv.Error, UnicodeDecodeError) as problem:
            raise FommError(f"{path}, line {reader.line_num}: expected CSV in UTF-8 ({problem}).") from problem


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if not line.strip():
                    continue
                row = json.loads(line)
            except UnicodeDecodeError as problem:
                raise FommError(
                    f"{path}, line {number}: expected JSON in UTF-8 ({problem}). Save the table in that encoding."
                ) from problem
            except (ValueError, RecursionError) as problem:
                raise FommError(f"{path}, line {number}: expected JSON ({problem}).") from problem
            if not isinstance(row, dict):
                raise FommError(f"{path}, line {number}: expected an object {{column: value}}; got {line.strip()[:60]}")
            yield row


def _parquet(path: Path) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise FommError(
            f"expected pyarrow, which reads '{path}'; it is not installed. `pip install pyarrow`, or save the table as "
            ".csv or .jsonl."
        ) from None
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from batch.to_pylist()
    except (ArrowException, OSError, ValueError) as problem:
        raise FommError(f"expected a Parquet table; '{path}' can't be read ({problem}).") from problem

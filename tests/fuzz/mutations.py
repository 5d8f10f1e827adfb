"""Changes to files that know how these are built, so that more than the first check sees them."""

from __future__ import annotations

import contextlib
import io
import json
import math
import random
import re
import struct
import zipfile
import zlib
from typing import Any

STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    10**400,
    1e308,
    1e-4,
    "",
    "x" * 300,
    [],
    {},
    [[1]],
    [1, "a", None],
)


def bits(data: bytes, rng: random.Random) -> bytes:
    """A few bits flipped (headers more often), bytes cut out, doubled or set to extremes, or the end cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 6))):
        if not changed:
            break
        at = rng.randrange(min(len(changed), rng.choice((64, 1024, 1 << 30))))
        match rng.randrange(5):
            case 0 | 1:
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                changed[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
            case 3:
                del changed[at : at + rng.randrange(1, 40)]
            case _:
                changed[at:at] = changed[at : at + rng.randrange(1, 40)]
    return bytes(changed[: rng.randrange(len(changed) + 1)] if rng.random() < 0.2 else changed)


def altered(value: Any, rng: random.Random) -> Any:
    """JSON with one value somewhere in it replaced, removed or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: altered(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        if rng.random() < 0.1:
            return [*value, *value[at:]]
        return [*value[:at], altered(value[at], rng), *value[at + 1 :]]
    return rng.choice(STRANGE)


def json_text(data: bytes, rng: random.Random) -> bytes:
    """A text of JSON with values changed; now and then its bytes."""
    if rng.random() < 0.25:
        return bits(data, rng)
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 3))):
        value = altered(value, rng)
    text = json.dumps(value)
    return (text.replace("1e+308", "Infinity") if rng.random() < 0.3 else text).encode()


WORDS = (
    b"-1",
    b"0",
    b".inf",
    b".nan",
    b"1e400",
    b"null",
    b"[]",
    b"{}",
    b"&a [*a]",
    b"*a",
    b"!!python/name:os.system",
    b"true",
)


def words(data: bytes, rng: random.Random) -> bytes:
    """A text of YAML with a word of it replaced, or taken from elsewhere in it; now and then its bytes."""
    if rng.random() < 0.25:
        return bits(data, rng)
    found = re.findall(rb"[\w.]+|[^\w.]+", data)
    for _ in range(rng.choice((1, 1, 3))):
        found[rng.randrange(len(found))] = rng.choice(WORDS) if rng.random() < 0.7 else rng.choice(found)
    return b"".join(found)


def lines(data: bytes, rng: random.Random) -> bytes:
    """A table with one of its lines changed; one of columns, with its bytes."""
    if data.startswith(b"PAR1"):
        return bits(data, rng)
    rows = data.splitlines()
    at = rng.randrange(len(rows))
    rows[at] = json_text(rows[at], rng) if rows[at].startswith(b"{") else bits(rows[at], rng)
    return b"\n".join(rows)


NUMBERS = (math.nan, math.inf, -math.inf, 1e300, -1.0, 0.0, 1e-300, 1e20, 3.0)


def safetensors(data: bytes, rng: random.Random) -> bytes:
    """Its header, the configuration or another text in it, or some of its numbers changed, without the checksum that
    would tell; or bytes.
    """
    if rng.random() < 0.2:
        return bits(data, rng)
    size = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8 : 8 + size]), bytearray(data[8 + size :])
    notes = header.get("__metadata__", {})
    notes.pop("checksum", None)
    choice = rng.random()
    if "config" in notes and choice < 0.4:
        notes["config"] = json.dumps(altered(json.loads(notes["config"]), rng))
    elif choice < 0.5:
        key = rng.choice(list(notes))
        notes[key] = rng.choice((str(rng.choice(STRANGE)), json.dumps(rng.choice(STRANGE)), "9" * rng.randrange(1, 20)))
    elif choice < 0.75:
        for _ in range(rng.choice((1, 1, 4))):
            name = rng.choice([name for name in header if name != "__metadata__"])
            kind = {"F64": "<d", "F32": "<f", "F16": "<e"}.get(header[name]["dtype"])
            begin, end = header[name]["data_offsets"]
            if kind and end > begin:
                with contextlib.suppress(OverflowError):
                    struct.pack_into(
                        kind, numbers, rng.randrange(begin, end, struct.calcsize(kind)), rng.choice(NUMBERS)
                    )
    else:
        header = altered(header, rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def archive(data: bytes, rng: random.Random) -> bytes:
    """What is in a zip archive changed, with checksums that fit; or bytes."""
    if rng.random() < 0.4:
        return bits(data, rng)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        members = old.infolist()
        chosen = rng.choice([member for member in members if member.filename.endswith((".pkl", "version", "/0", "/1"))])
        for member in members:
            content = old.read(member)
            if member is chosen:
                content = bits(content, rng)
            if rng.random() > 0.01:
                new.writestr(member.filename, content)
    return made.getvalue()


CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"iprp", b"ipco")
FULL_CONTAINERS = (b"meta", b"iinf", b"iref", b"stsd", b"dref")


def boxes(data: bytes, rng: random.Random) -> bytes:
    """One box of an ISO file (MP4, HEIC, AVIF, JPEG 2000) changed, doubled, dropped or mislabelled, sizes made to fit.

    Offsets into the file then point elsewhere, as in files that were cut and joined.
    """
    if rng.random() < 0.3:
        return bits(data, rng)
    return _boxes_changed(data, rng, depth=0)


def _boxes_changed(data: bytes, rng: random.Random, depth: int) -> bytes:
    parts, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if not 8 <= size <= len(data) - at:
            return bits(data, rng)
        parts.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
        at += size
    if not parts or depth > 8:
        return bits(data, rng)
    large = [place for place, (kind, _) in enumerate(parts) if kind in (b"meta", b"moov", b"jp2h")]
    chosen = rng.choice(large) if large and rng.random() < 0.7 else rng.randrange(len(parts))
    kind, body = parts[chosen]
    skipped = 0 if kind in CONTAINERS else 4 + 4 * (kind == b"stsd") + 2 * (kind == b"iinf")
    choice = rng.random()
    if choice < 0.6 and (kind in CONTAINERS or kind in FULL_CONTAINERS):
        body = body[:skipped] + _boxes_changed(body[skipped:], rng, depth + 1)
    elif choice < 0.85:
        body = fields(body, rng)
    elif choice < 0.9:
        parts.insert(chosen, (kind, body))
    elif choice < 0.95:
        kind = rng.choice(parts)[0]
    else:
        body = b""
    parts[chosen] = kind, body
    return b"".join((8 + len(inner)).to_bytes(4, "big") + name + inner for name, inner in parts) + data[at:]


def fields(data: bytes, rng: random.Random) -> bytes:
    """A number of two or four bytes somewhere set to one that counts and sizes should not have."""
    if not data or rng.random() < 0.3:
        return bits(data, rng)
    width = rng.choice((2, 4))
    at = rng.randrange(0, len(data), 2)
    value = rng.choice(
        (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000, 1_000_000, 50_000, rng.randrange(1 << 16))
    )
    return data[:at] + (value % (1 << 8 * width)).to_bytes(width, "big") + data[at + width :]


def chunks(data: bytes, rng: random.Random) -> bytes:
    """A chunk of a PNG changed, with the CRC-32 that fits, so that what reads it sees it; or bytes."""
    if rng.random() < 0.3:
        return bits(data, rng)
    parts, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        parts.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    chosen = rng.randrange(len(parts))
    kind, body = parts[chosen]
    parts[chosen] = kind, fields(body, rng)
    if rng.random() < 0.1:
        parts.insert(rng.randrange(len(parts)), rng.choice(parts))
    return data[:8] + b"".join(
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in parts
    )


def either(data: bytes, rng: random.Random) -> bytes:
    """By its boxes or chunks where it has such, or by bits."""
    if data[4:8] in (b"ftyp", b"jP  "):
        return boxes(data, rng)
    return chunks(data, rng) if data.startswith(b"\x89PNG") else bits(data, rng)


def graph_carrier(data: bytes, rng: random.Random) -> bytes:
    """A file with a graph in it, cut anywhere (its beginning as often as its end), or changed as others are."""
    choice = rng.random()
    if choice < 0.4:
        return data[: rng.randrange(len(data) + 1)]
    if choice < 0.6:
        return data[: rng.randrange(min(len(data), 4096) + 1)]
    return either(data, rng)

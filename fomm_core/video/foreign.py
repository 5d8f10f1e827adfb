"""Kinds of files that people take for images and that are not read: what they are, and what to do."""

from __future__ import annotations

from pathlib import PurePath

EXPORT = "Open it in the program that made it and export a PNG"
RAW = "a camera's raw file; develop it (in your camera's program, darktable or the like) and export a JPEG or PNG"
RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef"),
    *(".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".sr2", ".srw", ".x3f"),
)
STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\x0a", "a JPEG XL image, which is not read yet; turn it into a PNG (djxl image.jxl image.png)"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image, which is not read yet; turn it into a PNG (djxl image.jxl image.png)"),
    (b"8BPS", f"a Photoshop document. {EXPORT}: it keeps the transparency"),
    (b"gimp xcf", f"a GIMP document. {EXPORT}: it keeps the transparency"),
    (b"%PDF", "a PDF, a document of pages; save the image in it as a PNG (pdftoppm -png -r 200 file.pdf page)"),
    (b"%!PS", f"a PostScript drawing. {EXPORT}"),
    (b"\xc5\xd0\xd3\xc6", f"a PostScript drawing. {EXPORT}"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image, which holds light rather than colours; tone-map it and export a PNG"),
    (b"#?RADIANCE", "an HDR image, which holds light rather than colours; tone-map it and export a PNG"),
    (b"#?RGBE", "an HDR image, which holds light rather than colours; tone-map it and export a PNG"),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"FOVb", RAW),
    (b"IIU\0", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"PK\3\4", "a ZIP archive or an office or painting document; unpack it, or export a PNG from its program"),
    (b"version https://git-lfs", "a Git LFS pointer: the image itself was not downloaded; run git lfs pull"),
    (b"\x1aE\xdf\xa3", "a video; give the image first and the video second"),
)
MARKUP: tuple[tuple[bytes, str], ...] = (
    (b"<svg", "an SVG drawing; export it as a PNG of the size that you want"),
    (b"<!doctype html", "a web page, not the image on it; save the image itself"),
    (b"<html", "a web page, not the image on it; save the image itself"),
)


def foreign_kind(head: bytes, name: str) -> str | None:
    """What a file is that cannot be read as an image, by its first kB and its name; None if unknown."""
    if head[4:8] == b"ftyp":
        return _boxes(head[8:12])
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "a video; give the image first and the video second"
    if head[8:10] == b"CR" and head[:4] == b"II*\0":
        return RAW
    for start, what in STARTS:
        if head.startswith(start):
            return what
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<"):
        return next((what for start, what in MARKUP if start in text), None)
    return RAW if PurePath(name).suffix.lower() in RAW_SUFFIXES else None


def _boxes(brand: bytes) -> str | None:
    if brand == b"crx ":
        return RAW
    return None if brand in (b"avif", b"mif1", b"mif2") else "a video; give the image first and the video second"

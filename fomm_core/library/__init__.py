"""Which models there are, where they lie, and what a name means. Nothing here touches a network, or loads torch."""

from .absent import AS_DOWNLOADED, WEIGHTS, foreign_folder
from .places import (
    SUFFIXES,
    VARIABLE,
    described,
    find_model,
    find_named,
    kind_among,
    model_folders,
    models_in,
    name_of,
)
from .published import AUTHORS_PAGE, PUBLISHED, PublishedModel, known_as
from .records import Record, read_record, record_path, write_record

__all__ = [
    "AS_DOWNLOADED",
    "AUTHORS_PAGE",
    "PUBLISHED",
    "SUFFIXES",
    "VARIABLE",
    "WEIGHTS",
    "PublishedModel",
    "Record",
    "described",
    "find_model",
    "find_named",
    "foreign_folder",
    "kind_among",
    "known_as",
    "model_folders",
    "models_in",
    "name_of",
    "read_record",
    "record_path",
    "write_record",
]

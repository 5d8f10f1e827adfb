"""Which models there are, where they lie, and what a name means. Nothing here touches a network, or loads torch."""

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
    "AUTHORS_PAGE",
    "PUBLISHED",
    "SUFFIXES",
    "VARIABLE",
    "PublishedModel",
    "Record",
    "described",
    "find_model",
    "find_named",
    "kind_among",
    "known_as",
    "model_folders",
    "models_in",
    "name_of",
    "read_record",
    "record_path",
    "write_record",
]

"""Finding people in images, offline, by a mask of them."""

from .finder import Person, PersonFinder

__all__ = ["Person", "PersonFinder"]

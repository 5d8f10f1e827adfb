"""Finding people in pictures, offline, by a mask of them."""

from .finder import Person, PersonFinder

__all__ = ["Person", "PersonFinder"]

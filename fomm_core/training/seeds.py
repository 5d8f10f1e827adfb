"""Randomness without hidden streams: every draw has a place, and its numbers follow from the place alone."""

import hashlib

import torch


def seed_at(seed: int, *place: int | str) -> int:
    """A seed (0 to 2**63 - 1) for one place of a run, such as (step, index in the global batch, "transform")."""
    text = "/".join(str(part) for part in (seed, *place))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator_at(seed: int, *place: int | str) -> torch.Generator:
    """A generator on the CPU that starts from `seed_at`."""
    return torch.Generator("cpu").manual_seed(seed_at(seed, *place))

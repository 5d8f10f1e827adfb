"""Which identities are held out: each by its own name alone, so that neither order nor company matters."""

from __future__ import annotations

from typing import Literal

from fomm_nodes.fomm_core.training.seeds import seed_at

Split = Literal["train", "test"]


def split_of(identity: str, seed: int, test_share: float) -> Split:
    """The side of an identity; `test_share` of all names, on average, are held out."""
    return "test" if seed_at(seed, "identity", identity) < test_share * 2**63 else "train"

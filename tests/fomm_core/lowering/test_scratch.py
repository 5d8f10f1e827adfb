from __future__ import annotations

import copy
import threading

import torch
from fomm_nodes.fomm_core.lowering import Scratch, WinogradConv2d
from nearness import NETWORK, near
from torch import nn

LIKE = torch.empty(0)


def test_a_piece_is_handed_out_again_and_grows() -> None:
    scratch = Scratch()
    first = scratch.take("a", 2, 3, like=LIKE)
    assert first.shape == (2, 3)
    assert scratch.take("a", 6, like=LIKE).data_ptr() == first.data_ptr()
    assert scratch.take("a", 4, like=LIKE).shape == (4,)
    assert scratch.take("b", 6, like=LIKE).data_ptr() != first.data_ptr()
    assert scratch.take("a", 6, like=LIKE.double()).dtype == torch.float64
    assert scratch.take("a", 100, 100, like=LIKE).shape == (100, 100)


def test_memory_made_in_inference_mode_serves_outside_of_it() -> None:
    scratch = Scratch()
    with torch.inference_mode():
        scratch.take("a", 3, like=LIKE)
    scratch.take("a", 3, like=LIKE).zero_()


def test_a_copy_has_memory_of_its_own() -> None:
    scratch = Scratch()
    mine = scratch.take("a", 3, like=LIKE)
    assert copy.deepcopy(scratch).take("a", 3, like=LIKE).data_ptr() != mine.data_ptr()


def test_layers_that_share_memory_do_not_disturb_each_others_results() -> None:
    scratch = Scratch()
    convs = [nn.Conv2d(4, 4, 3, padding=1).double().requires_grad_(False) for _ in range(3)]
    layers = [WinogradConv2d(conv, scratch) for conv in convs]
    x = torch.randn(2, 4, 9, 6, dtype=torch.float64)
    kept = [layer(x) for layer in layers]
    for conv, result in zip(convs, kept, strict=True):
        near(result, conv(x))


def test_threads_share_a_layer_but_not_its_memory() -> None:
    conv = nn.Conv2d(16, 16, 3, padding=1).requires_grad_(False)
    layer = WinogradConv2d(conv)
    pictures = [torch.randn(1, 16, 40, 40) for _ in range(4)]
    worst: dict[int, float] = {}  # relative to the greatest value

    def work(index: int) -> None:
        want = conv(pictures[index])
        worst[index] = max(float((layer(pictures[index]) - want).abs().max() / want.abs().max()) for _ in range(30))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(worst) == len(pictures)
    near(max(worst.values()), 0, NETWORK, of=1)

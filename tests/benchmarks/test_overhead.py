"""The benchmark of small calls: what it names and that it leaves the machine as it was."""

import pytest
import torch

from longspike.benchmark import bench_overhead
from longspike.kernels import native


@pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
@pytest.mark.parametrize("trains", [False, True])
def test_every_candidate_is_timed(trains: bool) -> None:
    before, seen = torch.get_num_threads(), []
    timings = bench_overhead(trains=trains, rounds=2, calls=2, on_progress=seen.append)
    assert [t.name for t in timings] == list(dict.fromkeys(seen))
    assert {"linear (torch)", "linear", "glu", "layer_norm", "S4D.step", "SpikingBlock.step"} < {
        t.name for t in timings
    }
    assert all(len(t.seconds) == 2 and t.median_us == 1e6 * t.median > 0 for t in timings)
    assert torch.get_num_threads() == before

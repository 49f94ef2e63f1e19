"""The benchmark of small calls: what it names and that it leaves the machine as it was."""

import pytest
import torch

from longspike.bench import Rounds, overhead
from longspike.kernels import native


@pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
def test_every_candidate_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "CALLS", 2)
    before = torch.get_num_threads()
    forward, training = overhead.bench_overhead(Rounds(count=2))
    names = [row["name"] for row in forward.rows]
    assert names[:-2] == [row["name"] for row in training.rows]
    assert names[-2:] == ["Stream.push of one step (digits)", "Stream.push of one event (Tiny)"]
    assert {"linear (torch)", "linear", "glu", "layer_norm", "S4D.step", "SpikingBlock.step"} < set(names)
    assert all(row["rounds"] == 2 and row["ns_per_element"] > 0 for row in [*forward.rows, *training.rows])
    assert [row["name"] for row in forward.rows if row["times_ours"]] == ["linear (torch)"]
    assert torch.get_num_threads() == before

"""Speed against named baselines, on the same work, in one run, and only where the kernels are right."""

from longspike.benchmark.neuron import bench_neuron
from longspike.benchmark.overhead import bench_overhead
from longspike.benchmark.state_space import bench_state_space
from longspike.benchmark.timing import Timing

__all__ = ["Timing", "bench_neuron", "bench_overhead", "bench_state_space"]

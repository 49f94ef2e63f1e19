"""Speed against named baselines and physical limits, on the same work, in one run, and only where the kernels are right."""

from longspike.benchmark.baselines import peer_versions
from longspike.benchmark.growth import Line, growth_cells
from longspike.benchmark.parity import check_parity
from longspike.benchmark.report import measure
from longspike.benchmark.tables import Table, text_cells
from longspike.benchmark.timing import Rounds

__all__ = ["Line", "Rounds", "Table", "check_parity", "growth_cells", "measure", "peer_versions", "text_cells"]

"""Speed against named baselines and physical limits, on the same work, in one run, and only where the kernels are right."""

from longspike.bench.baselines import peer_versions
from longspike.bench.growth import Line, growth_cells
from longspike.bench.parity import check_parity
from longspike.bench.report import measure
from longspike.bench.tables import Table, text_cells
from longspike.bench.timing import Rounds

__all__ = ["Line", "Rounds", "Table", "check_parity", "growth_cells", "measure", "peer_versions", "text_cells"]

"""Operations counted apart from joules: what a network does per step, and what that costs under a stated table."""

from longspike.energy.costs import HOROWITZ_45NM_FLOAT32, HOROWITZ_45NM_INT8, CostTable
from longspike.energy.counts import NetworkCounts, PartCount, count_operations, is_counted
from longspike.energy.operations import OperationCounts
from longspike.energy.report import EnergyFigure, EnergyReport, dense_twin, energy

__all__ = [
    "HOROWITZ_45NM_FLOAT32",
    "HOROWITZ_45NM_INT8",
    "CostTable",
    "EnergyFigure",
    "EnergyReport",
    "NetworkCounts",
    "OperationCounts",
    "PartCount",
    "count_operations",
    "dense_twin",
    "energy",
    "is_counted",
]

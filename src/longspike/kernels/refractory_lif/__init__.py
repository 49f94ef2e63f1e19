"""The refractory LIF operator: one definition (`reference`), four exact routes, one entry (`operator`)."""

from longspike.kernels._spiking.surrogates import SURROGATES as SURROGATES
from longspike.kernels.refractory_lif.operator import certificate_from as certificate_from
from longspike.kernels.refractory_lif.operator import refractory_lif_op as refractory_lif_op
from longspike.kernels.refractory_lif.pmbc import Certificate as Certificate

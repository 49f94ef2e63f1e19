"""The diagonal state-space scan and the neuron behind it: the two operators in turn, or one pass in which the current stays
in registers."""

from torch import Tensor

from longspike.kernels._derivatives import may_go_backward
from longspike.kernels._dispatch import choose
from longspike.kernels.refractory_lif import refractory_lif_op
from longspike.kernels.refractory_lif.reference import Parameters, State
from longspike.kernels.s4d_lif.operator import s4d_lif_op
from longspike.kernels.s4d_scan import s4d_scan


def s4d_lif(
    u: Tensor,
    coefficients: tuple[Tensor, Tensor, Tensor],
    ssm_state: Tensor,
    parameters: Parameters,
    state: State,
    *,
    reset: str,
    surrogate: str,
    scale: float,
    gradient: str,
    method: str = "auto",
) -> tuple[Tensor, Tensor, State]:
    """Spikes (batch, seqlen, channels), the scan's state and the neuron's (v, r, s) after the last step.

    `coefficients` are the scan's lambda, c and d, `parameters` the neuron's beta, threshold, rho and gamma.
    """
    choice = choose("s4d_lif", method, u.device, u.dtype)
    lam, c, d = coefficients
    if choice.method == "reference":
        current, ssm_end = s4d_scan(u, lam, c, d, ssm_state)
        spikes, v, r, s, *_ = refractory_lif_op(current, *parameters, *state, reset, surrogate, scale, gradient, "auto")
        return spikes, ssm_end, (v, r, s)
    tensors = (u, lam, c, d, ssm_state, *parameters, *state)
    saves = may_go_backward(*tensors)
    spikes, ssm_end, v, r, s, _ = s4d_lif_op(*tensors, reset, surrogate, scale, gradient, saves)
    return spikes, ssm_end, (v, r, s)

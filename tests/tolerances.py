"""Every tolerance of the suite, each with its reason. Tests import them; none is written anywhere else."""

# One rounding is eps/2: 6e-8 in float32, 1.1e-16 in float64. A chain of n of them stays within n*eps/2 in the worst
# case and near sqrt(n)*eps/2 in practice.

# Adjoint of the neuron in float64 against autograd: the same products in another order over at most 130 steps.
LIF_GRADIENT_F64 = 1e-10
# The same in float32: 130 steps, sums over time and batch, slopes of up to scale 5.
LIF_GRADIENT_F32 = 2e-4
# PMBC sums the membrane by doubling instead of step by step: log2(1000) = 10 levels, decay up to 0.98.
PMBC_STATE = {"float32": 2e-5, "float64": 1e-12}
# The scan against a float64 complex recurrence, relative to the largest output: up to 1000 steps at |lambda| < 1.
S4D_SCAN = {"float32": 2e-5, "float64": 1e-12}
# Gradients of the fused block against its operators: the same sums in another order, over at most 513 steps.
BLOCK_GRADIENT = {"float32": 2e-4, "float64": 1e-10}
# The FFT spreads each output's rounding over the whole sequence; the power table doubles the error at each level.
S4D_FFT = {"float32": 2e-4, "float64": 1e-11}
# The spike-aware memory: routes against the loop and the dense matrices, up to 200 ticks of |T| <= 1 and rank up to 11,
# relative to the largest output; the gradients add sums over ticks and channels.
SA_HIPPO = {"float32": 1e-5, "float64": 1e-12}
SA_HIPPO_GRADIENT = {"float32": 5e-5, "float64": 1e-11}
# Rows of a transition in float64, relative to the largest of their kind: a matrix of at most 11 x 11 is inverted.
SA_HIPPO_ROWS = 1e-12
# |T| <= 1 in exact arithmetic.
CONTRACTION = 1e-12
# HiPPO-LegS of 64 x 64 (entries up to 127) from its eigenvectors, and 100 steps of S4 built from it.
LEGS = 1e-10
# Discretisation formulas on real pairs against torch's complex arithmetic in float64.
DISCRETISE = 1e-12
# Eigenvalues of matrices of up to 16 x 16 with entries up to 30, by two LAPACK routines; numpy's is not symmetric.
EIGENVALUES = 1e-9
# A row of up to 41 products in another order than the BLAS.
MIXING = {"float32": 1e-5, "float64": 1e-13}
# exp to about one unit in the last place, then two roundings.
GLU = {"float32": 1e-6, "float64": 1e-14}
# Central differences with step 1e-6 in float64: the truncation is 1e-12 * g''', the cancellation 1e-16 / 1e-6.
NUMERIC_SLOPE = 1e-6
# Logits of pooled means, summed whole or chunk by chunk, float32.
LOGITS = 1e-5
# Envelopes through a single-precision FFT of up to 4096 points, relative to the largest sample; means of up to 300.
AUDIO_F32 = 1e-5
# A bfloat16 output keeps 8 bits.
BFLOAT16 = 1e-2
# A spike counts as a mismatch with a peer only where the peer's own distance from its threshold exceeds this: the peers
# round beta*v + x in another order (v + (x - v)/tau, or its two terms apart), float32, |v| < 10, decay up to 0.9.
PEER_MARGIN = {"float32": 2e-5, "float64": 1e-12}
# Membranes and gradients of the peers in float64: the same sums in another order over 60 steps.
PEER_F64 = 1e-10
# snnTorch's surrogates multiply by float32 constants.
PEER_GRADIENT_F32 = 2e-5
# The mean of n draws lies within five standard deviations.
SIGMAS = 5.0
# Share of wrong spikes of the shipped SDN fit on standard white noise (its documentation says about a thousandth).
SDN_WHITE_NOISE = 0.01
# Membranes of dendritic neurons over chains of up to 200 rows: fma and our exp against PyTorch's, relative to the largest.
DENDRITE = {"float32": 5e-6, "float64": 1e-12}
# Their adjoint: the same with sums over rows and pairs.
DENDRITE_GRADIENT = {"float32": 2e-4, "float64": 1e-10}
# FLAMES of up to three fronts and two blocks against dense matrices in another order, logits of a few units.
FLAMES_DEFINITION = {"float32": 1e-4, "float64": 1e-9}
# Membranes of a few units after some dozen additions: float32 decides the same beyond this.
FLAMES_MARGIN = 1e-4
# Gradients of FLAMES in float64, whole and in pieces: the same sums in another order, relative to the parameter's largest.
FLAMES_GRADIENT = 1e-9
# Derivatives of one call by two ways of PyTorch, float64: the same products, sums of a few dozen in another order.
DERIVATIVE = 1e-10

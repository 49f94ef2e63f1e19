"""Compiles the sequence kernels for compute capability 9.0 without a GPU, and says what they use; a command of its own.

    python tests/kernels/compile_triton.py

It must not run in the process of the tests, where Triton's interpreter is on.
"""

from typing import Any

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from longspike.kernels.refractory_lif import triton_backward, triton_forward, triton_speculative
from longspike.kernels.s4d_lif import triton_forward as fused
from longspike.kernels.s4d_scan import triton_backward as scan_backward
from longspike.kernels.s4d_scan import triton_forward as scan_forward

INTEGERS = ("seqlen", "channels", "lanes", "chunk", "chunks", "longest_warmup", "n_pairs")
LIF = {"RESET": "subtract", "LANES": 32}
ADJOINT = {**LIF, "GRADIENT": "full", "SURROGATE": "triangle", "SCALE": 1.0, "SUMS": True}
SCAN = {"PAIRS": 32, "LANES": 32}
KERNELS = (
    (triton_forward.lif_forward_kernel, LIF),
    (triton_speculative.lif_chunks_kernel, LIF),
    (triton_speculative.lif_repair_kernel, LIF),
    (triton_backward.lif_backward_kernel, ADJOINT),
    (triton_backward.lif_backward_kernel, {**ADJOINT, "RESET": "zero", "SURROGATE": "sigmoid", "SUMS": False}),
    (scan_forward.s4d_forward_kernel, SCAN),
    (scan_backward.s4d_adjoint_kernel, SCAN),
    (scan_backward.s4d_sums_kernel, {**SCAN, "PAIRS": 8}),
    (fused.s4d_lif_forward_kernel, {**SCAN, "RESET": "subtract", "SAVES": True}),
)


def type_of(name: str, constants: dict[str, Any]) -> str:
    """The type of a kernel's argument in float32."""
    if name in constants:
        return "constexpr"
    if name in INTEGERS:
        return "i32"
    return {"grad_parameters": "*fp64", "repaired": "*i32"}.get(name, "*fp32")


def main() -> None:
    """Compile each, print one line each."""
    for kernel, constants in KERNELS:
        signature = {name: type_of(name, constants) for name in kernel.arg_names}
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
        options = {"num_warps": 1, "enable_fp_fusion": False}
        built = compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        print(f"{kernel.__name__}: cubin of {len(built.asm['cubin'])} bytes", flush=True)


if __name__ == "__main__":
    main()

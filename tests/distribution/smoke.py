"""What an installed longspike must do: import, train a little, save, load, stream, run as a command."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import longspike
from longspike.kernels import native
from longspike.models import SpikeSSM, SpikeSSMConfig


def command(*words: str) -> str:
    """What `longspike` prints; the program that lies beside this Python."""
    program = Path(sys.executable).with_name("longspike")
    return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout


def expect(condition: bool, what: str) -> None:
    """End with an error unless the condition holds."""
    if not condition:
        raise SystemExit(f"smoke test: {what}")


def main() -> None:
    """Some steps of training, then the same spikes from the whole sequence, a stream and a saved model."""
    expect(
        "site-packages" in longspike.__file__, f"longspike comes from {longspike.__file__}, not from an installation"
    )
    expect(native.is_available(), native.unavailable_reason)
    torch.manual_seed(0)
    model = SpikeSSM(SpikeSSMConfig(d_input=2, d_model=7, num_layers=2, d_state=4, num_outputs=3))
    x, labels = torch.randn(5, 70, 2), torch.tensor([0, 1, 2, 0, 1])
    optimiser, losses = torch.optim.Adam(model.parameters(), lr=0.02), []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(model(x)[0], labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    expect(losses[-1] < losses[0], f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f}")

    model.eval()
    expected = model.outputs(x[:1]).spikes
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        stream = longspike.Stream(longspike.load(Path(folder) / "model"))
        parts = [stream.push(piece) for piece in x[:1].split(9, 1)]
        streamed = [torch.cat(layer, 1) for layer in zip(*parts, strict=True)]
        expect(all(torch.equal(a, b) for a, b in zip(streamed, expected, strict=True)), "a stream gave other spikes")
        np.save(Path(folder) / "x.npy", x[0].numpy())
        said = command("stream", str(Path(folder) / "model"), str(Path(folder) / "x.npy"), "--check")
    expect("equal, bit for bit" in said, said)
    expect("train" in command("--help"), "`longspike --help` does not name its commands")
    print(command("info"))


if __name__ == "__main__":
    main()

"""Fit the SDN's 153 weights to the exact hard-reset neuron on white noise, as SpikingSSMs did.

    python tools/fit_sdn.py            # writes src/longspike/neurons/sdn_weights.json and prints its errors

Target m[t] = beta*u[t-1]; inputs N(0, 1); smooth L1 loss; AdamW 0.01 with cosine decay; the published recipe at a
smaller budget (see STEPS, ROWS, SEQLEN).
"""

import json
from pathlib import Path

import torch

from longspike.neurons.lif import refractory_lif
from longspike.neurons.sdn import WINDOW, SDNPredictor

BETA, STEPS, ROWS, SEQLEN, SEED = 0.125, 4000, 64, 256, 0
OUT = Path(__file__).parent.parent / "src/longspike/neurons/sdn_weights.json"


def exact(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The decayed membrane before each step, and the spikes, of inputs (rows, seqlen)."""
    u, membranes, spikes = torch.zeros_like(y[:, 0]), [], []
    for y_t in y.unbind(1):
        membranes.append(BETA * u)
        u = membranes[-1] + y_t
        spikes.append((u > 1).float())
        u = u * (1 - spikes[-1])
    return torch.stack(membranes, 1), torch.stack(spikes, 1)


def main() -> None:
    """Train, report, write."""
    torch.manual_seed(SEED)
    predictor = SDNPredictor()
    optimiser = torch.optim.AdamW(predictor.parameters(), lr=0.01, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        y = torch.randn(ROWS, SEQLEN)
        predicted = predictor(torch.nn.functional.pad(y, (WINDOW, 0)))
        loss = torch.nn.functional.smooth_l1_loss(predicted, exact(y)[0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    errors = {}
    with torch.no_grad():
        time = torch.arange(4096.0)
        drives = {
            "white noise N(0, 1)": torch.randn(256, 1024),
            "constant 0.9": torch.full((1, 4096), 0.9),
            "constant 0.95": torch.full((1, 4096), 0.95),
            "slow sine": 0.6 + 0.6 * torch.sin(2 * torch.pi * time / 512)[None],
        }
        for name, y in drives.items():
            _, spikes = exact(y)
            guess = (predictor(torch.nn.functional.pad(y, (WINDOW, 0))) + y > 1).float()
            errors[name] = {
                "wrong_steps_percent": round(100 * float((guess != spikes).float().mean()), 4),
                "true_rate": round(float(spikes.mean()), 4),
                "predicted_rate": round(float(guess.mean()), 4),
            }
            print(name, errors[name])
    weights = {name: value.tolist() for name, value in predictor.state_dict().items()}
    OUT.write_text(json.dumps({"beta": BETA, "seed": SEED, "errors": errors, "weights": weights}, indent=1) + "\n")
    spikes, _ = refractory_lif(y[..., None], beta=BETA, rho=0.0, gamma=0.0, reset="zero")
    print("teacher equals the library's hard reset:", bool(torch.equal(spikes[..., 0], exact(y)[1])))


if __name__ == "__main__":
    main()

"""Texts out of a language model: draws by their definition, a seed repeats them, memory and routes."""

import json
from pathlib import Path

import pytest
import torch

from language.conftest import NUM_TOKENS
from longspike._core.vocabulary import Vocabulary
from longspike.cli.generate import generate
from longspike.cli.stream import stream
from longspike.errors import ConfigError
from longspike.models import InputSpec, SpikeLM, SpikeLMConfig, SpikeSSM
from longspike.models.sampling import next_token

LOGITS = torch.tensor([0.0, 3.0, 1.0, 2.5, -1.0])


def shares(num_draws: int = 4000, **options) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    drawn = [next_token(LOGITS, generator, **options) for _ in range(num_draws)]
    return torch.tensor(drawn).bincount(minlength=len(LOGITS)) / num_draws


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(temperature: float) -> None:
    torch.testing.assert_close(shares(temperature=temperature), (LOGITS / temperature).softmax(0), atol=0.03, rtol=0)


def test_draws_are_cut_as_told() -> None:
    p = LOGITS.softmax(0)  # .03, .54, .07, .33, .01
    best = torch.tensor([0, p[1], 0, p[3], 0])
    for options in ({"top_k": 2}, {"top_p": 0.8}, {"top_k": 2, "top_p": 1.0}):
        torch.testing.assert_close(shares(**options), best / best.sum(), atol=0.03, rtol=0)
    assert shares(50, top_k=1).tolist() == shares(50, top_p=0.1).tolist() == shares(50, temperature=0.0).tolist()
    assert shares(50, temperature=0.0)[1] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, r"`temperature` must lie in \[0, inf\)"),
        ({"top_k": 0}, "`top_k` must be an integer of at least 1"),
        ({"top_p": 0.0}, r"`top_p` must lie in \(0, 1\]"),
        ({"num_tokens": 0}, "`num_tokens` must be an integer of at least 1"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
    ],
)
def test_what_cannot_be_drawn(model: SpikeLM, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.generate([1, 2], **options)


def test_a_prompt_has_a_token(model: SpikeLM) -> None:
    with pytest.raises(ValueError, match="generate: `prompt` must hold at least one token"):
        model.generate([])
    with pytest.raises(ValueError, match="generate: a text needs the vocabulary"):
        model.generate("to be")


def test_a_seed_repeats_a_text_and_the_mode_comes_back(model: SpikeLM) -> None:
    model.train()
    first, again, other = (model.generate([1, 2, 3], num_tokens=40, seed=seed) for seed in (5, 5, 6))
    assert model.training
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (40,)
    assert 0 <= int(first.min()) <= int(first.max()) < NUM_TOKENS
    greedy = model.generate([1, 2, 3], num_tokens=4, temperature=0.0)
    whole = torch.tensor([1, 2, 3])
    model.eval()
    for token in greedy:
        assert int(model(whole[None])[0][0, -1].argmax()) == int(token)
        whole = torch.cat([whole, token[None]])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = SpikeLM(SpikeLMConfig(num_tokens=256, d_model=8, num_layers=1, d_state=4)).eval()
    model.input_spec = InputSpec(vocabulary=Vocabulary(unit="bytes", specials=()))
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_the_command_prints_what_the_model_says(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import longspike

    expected = longspike.load(saved).generate("Ĵo", num_tokens=60, seed=3, top_k=200)
    assert generate(saved, prompt="Ĵo", tokens=60, seed=3, top_k=200) == 0
    out, err = capsys.readouterr()
    assert out == f"Ĵo{expected}\n"
    assert "60 tokens, " in err
    assert " tokens/s" in err
    assert generate(saved, prompt="Ĵo", tokens=60, seed=3, top_k=200, json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["text"], found["tokens"], found["prompt"]) == (expected, 60, "Ĵo")


def test_what_the_command_refuses(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="generate: `prompt` must hold at least one token"):
        generate(saved, prompt="")
    with pytest.raises(ConfigError, match="`top_p` must lie in"):
        generate(saved, top_p=2.0)
    SpikeSSM.from_preset("digits").save(tmp_path / "digits")
    with pytest.raises(ConfigError, match="digits is a SpikeSSM; `longspike generate` is for a SpikeLM"):
        generate(tmp_path / "digits")
    SpikeLM(SpikeLMConfig(d_model=8, num_layers=1)).save(tmp_path / "bare")
    with pytest.raises(ConfigError, match=r"bare has no vocabulary.*model\.generate\(tokens\) in Python"):
        generate(tmp_path / "bare")


def test_words_are_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = Vocabulary(unit="words", specials=("<unk>",), symbols=("to", "be", "or"))
    model = SpikeLM(SpikeLMConfig(num_tokens=4, d_model=8, num_layers=1, d_state=4))
    model.input_spec = InputSpec(vocabulary=words)
    model.save(tmp_path / "model")
    generate(tmp_path / "model", prompt="to be", tokens=5)
    out = capsys.readouterr().out
    assert out.startswith("to be ")
    assert len(out.split()) == 7


def test_a_language_model_is_streamed(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("to be, or not to be")
    assert stream(saved, str(tmp_path / "a.txt"), json=True, check=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps"] == 19
    assert found["equals_whole_sequence"]
    assert len(found["probabilities"]) == 256


def test_bytes_come_back() -> None:
    vocabulary = Vocabulary(unit="bytes", specials=())
    assert vocabulary.raw([0xC4, 0xB4]) == "Ĵ".encode()
    assert vocabulary.decode([0xC4, 0xB4, 0xC4]) == "Ĵ�"
    with pytest.raises(ValueError, match=r"Vocabulary\.raw: `unit` must be 'bytes'; got 'words'\. Use decode"):
        Vocabulary(unit="words").raw([0])

"""`longspike generate`: a language model goes on with a text."""

import sys
import time
from codecs import getincrementaldecoder
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longspike.cli.output import note, print_json
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from longspike.models import SpikeLM


def generate(
    model: Annotated[Path, tyro.conf.arg(metavar="MODEL")],
    *,
    prompt: str = "\n",
    tokens: int = 500,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Let a language model go on with a text; memory does not grow, however long it is.

    Args:
        model: Folder of a saved language model, e.g. runs/shakespeare/model.
        prompt: The text to go on with; a line break if not given.
        tokens: How many tokens to draw; of a model over bytes, bytes.
        temperature: Below 1 bolder, above 1 wilder; 0 takes the most probable token every time.
        top_k: Draw among so many of the most probable tokens only.
        top_p: Draw among the fewest most probable tokens that make up this share of the probability.
        seed: Of the draws.
        json: Print a JSON document with prompt, text and speed at the end.
    """
    from longspike.cli.waiting import Waiting

    with Waiting(f"{model}: loading PyTorch"):
        import torch

        network = _load(model)
    torch.set_num_threads(1)  # a token is too little work to share
    vocabulary: Any = network.input_spec.vocabulary
    start, text, shown = time.monotonic(), [], _Shown(vocabulary, is_on=not json)
    shown.prompt(prompt)
    for token in _drawn(network, prompt, tokens, temperature, top_k, top_p, seed):
        text.append(token)
        shown.token(token)
    speed = len(text) / max(time.monotonic() - start, 1e-9)
    shown.end()
    if json:
        print_json(
            {"prompt": prompt, "text": vocabulary.decode(text), "tokens": len(text), "tokens_per_s": round(speed)}
        )
    note(f"{len(text):,} tokens, {speed:,.0f} tokens/s")
    return 0


def _load(model: Path) -> "SpikeLM":
    from longspike.models import SpikeLM, load

    network = load(model)
    if not isinstance(network, SpikeLM):
        raise ConfigError(f"{model} is a {type(network).__name__}; `longspike generate` is for a SpikeLM.")
    if network.input_spec.vocabulary is None:
        raise ConfigError(f"{model} has no vocabulary, so it reads no text. Call model.generate(tokens) in Python.")
    return network


def _drawn(
    network: "SpikeLM",
    prompt: str,
    num_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
) -> Any:
    """The tokens as they are drawn, by the compiled stream where there is one."""
    from longspike.models.predicting import tokens_of_text
    from longspike.models.sampling import continued
    from longspike.streaming import SequenceStream

    stream = SequenceStream(network)

    def push(tokens: Any) -> Any:
        stream.push(tokens)
        return stream.logits()

    try:
        first = tokens_of_text("generate", prompt, network.input_spec.vocabulary)
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        yield from continued(push, first, num_tokens=num_tokens, **options)  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(str(error)) from None


class _Shown:
    """The text on stdout as it is drawn; characters of several bytes when they are whole."""

    def __init__(self, vocabulary: Any, *, is_on: bool) -> None:
        self._vocabulary, self._is_on = vocabulary, is_on
        self._decoder = getincrementaldecoder("utf-8")("replace") if vocabulary.unit == "bytes" else None

    def _write(self, text: str) -> None:
        if self._is_on and text:
            sys.stdout.write(text)
            sys.stdout.flush()

    def prompt(self, text: str) -> None:
        """What is gone on with."""
        self._write(text)

    def token(self, token: int) -> None:
        """One more."""
        if self._decoder is not None:
            raw = self._vocabulary.raw([token])
            self._write(self._decoder.decode(raw))
        else:
            blank = " " if self._vocabulary.unit == "words" else ""
            self._write(blank + self._vocabulary.decode([token]))

    def end(self) -> None:
        """What of a character has come, and a line break."""
        self._write(("" if self._decoder is None else self._decoder.decode(b"", final=True)) + "\n")

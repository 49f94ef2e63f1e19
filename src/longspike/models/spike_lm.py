"""A language model of spiking state-space blocks: an embedding, the blocks, a norm, a read-out of the next token."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from longspike._core.dtypes import in_dtype
from longspike.layers.adaptive import AdaptiveEmbedding, AdaptiveLogSoftmax
from longspike.layers.linear import build_embedding
from longspike.layers.norm import RowNorm
from longspike.layers.token_scores import TiedHead, TokenScores, VocabularyHead
from longspike.models.config import SpikeSSMConfig
from longspike.models.lm_config import SpikeLMConfig
from longspike.models.predicting import tokens_of_text
from longspike.models.sampling import continued
from longspike.models.spiking_stack import AbstractSpikingStack, build_blocks


class SpikeLM(AbstractSpikingStack):
    """The next token at every step, out of a state that does not grow with the text.

        token -> embedding -> spiking blocks -> LayerNorm -> linear -> logits of the next token

    With `config.cutoffs` embedding and read-out are adaptive and share their words; the logits are then log-probabilities.
    With `config.is_tied` they share one plain tensor, `encoder.weight`.

    A text whole, in segments with the state passed on, and token by token gives the same spikes, bit for bit, on the
    compiled backend.

    Reference: Zhong et al. 2024, SPikE-SSM, arXiv 2410.17268, whose blocks these are.

    Example:
        >>> import torch
        >>> model = SpikeLM(SpikeLMConfig(num_tokens=5, d_model=8, num_layers=1, d_state=4))
        >>> logits, state = model(torch.tensor([[1, 4, 0]]))
        >>> tuple(logits.shape), state.pool is None
        ((1, 3, 5), True)
    """

    pool: None

    def __init__(self, config: SpikeLMConfig) -> None:
        super().__init__()
        self.config = config
        clusters = self._clusters(config) if config.cutoffs else None
        self.encoder: nn.Module = (
            build_embedding(config.num_tokens, config.d_model, is_spiking=config.has_spiking_embedding)
            if clusters is None
            else clusters
        )
        self.blocks = build_blocks(config.stack)
        self.final_norm = RowNorm(config.d_model)
        self.pool = None
        if isinstance(self.encoder, nn.Embedding) and config.is_tied:
            self.decoder: nn.Module = TiedHead(self.encoder)
        elif clusters is None:
            self.decoder = VocabularyHead(config.d_model, config.num_tokens)
        else:
            self.decoder = AdaptiveLogSoftmax(clusters, dropout=config.embedding_dropout)

    def _clusters(self, config: SpikeLMConfig) -> AdaptiveEmbedding:
        options = {"cutoffs": config.cutoffs, "div": config.div, "dropout": config.embedding_dropout}
        return AdaptiveEmbedding(config.num_tokens, config.d_model, **options)  # type: ignore[arg-type]

    @property
    def stack(self) -> SpikeSSMConfig:
        """The network as a SpikeSSM."""
        return self.config.stack  # type: ignore[no-any-return]

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a token: those of the vocabulary, if no others were given."""
        given, vocabulary = self.input_spec.class_names, self.input_spec.vocabulary
        is_named = given is None and vocabulary is not None and vocabulary.size == self.config.num_tokens
        return vocabulary.names if is_named else super().class_names  # type: ignore[union-attr]

    def answered(self, features: Tensor) -> TokenScores:
        """What `classify` and `observe` answer: the features and the head, which is asked for no more than is needed."""
        return TokenScores(in_dtype(features, self.dtype), self.decoder)  # type: ignore[arg-type]

    def generate(
        self,
        prompt: str | bytes | Sequence[int] | Tensor,
        *,
        num_tokens: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> str | Tensor:
        """What follows a prompt, drawn token by token with the state passed on, in evaluation mode.

        Args:
            prompt: a text, if the model has a vocabulary, or tokens (steps). num_tokens: to draw. seed: of the draws.
            temperature, top_k, top_p: 0 takes the most probable token; draw among so many of the most probable ones, or
                among those that make up this share.
        Returns: a text for a text, the tokens (num_tokens), int64, for tokens; without the prompt.
        Raises: ValueError if there is no token in the prompt, no vocabulary for a text, or an argument is out of range.

        Example:
            >>> model = SpikeLM(SpikeLMConfig(num_tokens=5, d_model=8, num_layers=1, d_state=4))
            >>> model.generate([1, 4, 0], num_tokens=6).shape
            torch.Size([6])
        """
        is_text, vocabulary = isinstance(prompt, str | bytes), self.input_spec.vocabulary
        first = tokens_of_text("generate", prompt, vocabulary) if is_text else torch.as_tensor(prompt)  # type: ignore[arg-type]
        device, state = next(self.parameters()).device, None

        def push(tokens: Tensor) -> Tensor:
            nonlocal state
            logits, state = self(tokens[None].to(device), state)
            return logits[0, -1]  # type: ignore[no-any-return]

        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        modes = [module for module in self.modules() if module.training]
        self.eval()
        try:
            with torch.no_grad():
                drawn = list(continued(push, first.long(), num_tokens=num_tokens, **options))  # type: ignore[arg-type]
        finally:
            for module in modes:
                module.training = True
        return vocabulary.decode(drawn) if is_text and vocabulary is not None else torch.tensor(drawn)

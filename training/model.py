"""The network: one MiniLM encoder with an embedding of how tokens were written, and heads that share it.

Inputs are int64 ``input_ids``, ``attention_mask`` and ``shape_ids``, each ``[batch, tokens]``. Outputs are logits, by
the names in ``OUTPUTS``; ``sentence`` imitates the base model's embedding, the mean of its hidden states.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from outpost.models.shapes import SHAPES
from training.row import ATTACKS, INTENTS, LANGUAGES, TAGS

OUTPUTS = ("entities", "context", "attacks", "intent", "language", "sentence")


class Pool(nn.Module):
    """Attention of one learned query over the tokens, then a small network."""

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, 1)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, labels))

    def looks(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """How much each token counts, ``[batch, tokens]``; a row's sum is 1."""
        return self.weight(hidden).squeeze(-1).masked_fill(attention_mask == 0, -1e4).softmax(-1)

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits, ``[batch, labels]``."""
        return self.head((self.looks(hidden, attention_mask).unsqueeze(-1) * hidden).sum(1))


class Guard(nn.Module):
    """Encoder and heads."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        # Dropout costs half of a step on a CPU, and hardly any text is seen twice.
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        self.encoder = BertModel(config, add_pooling_layer=False)
        width = config.hidden_size
        self.shape = nn.Embedding(SHAPES, width, padding_idx=0)
        nn.init.normal_(self.shape.weight, std=0.02)
        with torch.no_grad():
            self.shape.weight[0].zero_()
        self.entities = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, len(TAGS)))
        self.context = nn.Linear(width, 2)
        self.attacks = Pool(width, len(ATTACKS))
        self.intent = Pool(width, len(INTENTS))
        self.language = Pool(width, len(LANGUAGES))
        # Begins as the mean of the hidden states, the base model's embedding, and follows the encoder as it learns.
        self.sentence = nn.Linear(width, width)
        nn.init.eye_(self.sentence.weight)
        nn.init.zeros_(self.sentence.bias)

    @classmethod
    def from_base(cls, folder: Path) -> "Guard":
        """The network with the encoder's published weights and new heads."""
        base = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager")
        guard = cls(base.config)
        guard.encoder.load_state_dict(base.state_dict())
        guard.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        return guard

    def forward(self, input_ids: Tensor, attention_mask: Tensor, shape_ids: Tensor) -> tuple[Tensor, ...]:
        """Logits, in the order of ``OUTPUTS``."""
        return self.read(self.hidden(input_ids, attention_mask, shape_ids), attention_mask)

    def hidden(self, input_ids: Tensor, attention_mask: Tensor, shape_ids: Tensor) -> Tensor:
        """The encoder's hidden states, ``[batch, tokens, width]``."""
        embedded = self.encoder.embeddings.word_embeddings(input_ids) + self.shape(shape_ids)
        return self.encoder(inputs_embeds=embedded, attention_mask=attention_mask).last_hidden_state

    def read(self, hidden: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """What the heads make of hidden states: logits, in the order of ``OUTPUTS``."""
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        sentence = self.sentence((hidden * mask).sum(1) / mask.sum(1))
        return (
            self.entities(hidden),
            self.context(hidden),
            self.attacks(hidden, attention_mask),
            self.intent(hidden, attention_mask),
            self.language(hidden, attention_mask),
            sentence,
        )

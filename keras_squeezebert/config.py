"""SqueezeBertConfig: the hyperparameters, as Hugging Face writes them."""

import dataclasses
import difflib
import math
import os
from dataclasses import dataclass
from typing import Any

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import read_json, write_json

CONFIG_FILE = "config.json"

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish")
PROBLEM_TYPES = (
    "regression",
    "single_label_classification",
    "multi_label_classification",
)


@dataclass(frozen=True)
class SqueezeBertConfig:
    """Hyperparameters of a SqueezeBERT model; all of its fields are Hugging Face's.

    The defaults describe the paper's base model. With every `*_groups` field 1 the
    same code is BERT-base.

    Args:
        vocab_size: Rows of the word embedding table.
        hidden_size: Width of the encoder; divisible by the number of heads and by
            every group count.
        num_hidden_layers: Number of encoder layers.
        num_attention_heads: Heads of each self-attention.
        intermediate_size: Width inside the feed-forward block.
        hidden_act: Activation of the feed-forward block and of the masked-LM head;
            "gelu" is the exact one, with erf.
        hidden_dropout_prob: Dropout after embeddings, projections and pooler.
        attention_probs_dropout_prob: Dropout on attention probabilities.
        max_position_embeddings: Longest sequence, in tokens.
        type_vocab_size: Number of segment ids (`token_type_ids`).
        initializer_range: Standard deviation of new weights.
        layer_norm_eps: Epsilon of the LayerNorms of the embeddings and of the
            masked-LM head. Those inside the encoder use 1e-12 as in Hugging Face.
        pad_token_id: Id of `[PAD]`.
        embedding_size: Width of the embeddings; equal to `hidden_size`, which is
            also what None stands for.
        q_groups: Groups of the query convolution.
        k_groups: Groups of the key convolution.
        v_groups: Groups of the value convolution.
        post_attention_groups: Groups of the convolution after the attention.
        intermediate_groups: Groups of the first feed-forward convolution.
        output_groups: Groups of the second feed-forward convolution.
        tie_word_embeddings: Whether the masked-LM decoder is the embedding table.
            Only true is supported.
        id2label: Label of each class id; its length is the number of labels.
            None stands for `LABEL_0`, `LABEL_1`.
        problem_type: Of sequence classification: "regression",
            "single_label_classification" or "multi_label_classification". None
            means regression with one label and single label with more.

    Raises:
        InputError: A value is out of its range, or two fields do not fit together.

    Example:
        >>> config = SqueezeBertConfig(hidden_size=128, num_attention_heads=4)
        >>> config.num_labels, config.id2label
        (2, {0: 'LABEL_0', 1: 'LABEL_1'})
        >>> config.replace(id2label={0: "no", 1: "yes", 2: "maybe"}).num_labels
        3

    Reference:
        `transformers.SqueezeBertConfig`; Iandola et al. 2020, arXiv 2006.11316.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    embedding_size: int | None = None
    q_groups: int = 4
    k_groups: int = 4
    v_groups: int = 4
    post_attention_groups: int = 1
    intermediate_groups: int = 4
    output_groups: int = 4
    tie_word_embeddings: bool = True
    id2label: dict[int, str] | None = None
    problem_type: str | None = None

    def __post_init__(self):
        fill = object.__setattr__  # the documented way to complete a frozen dataclass
        if self.embedding_size is None:
            fill(self, "embedding_size", self.hidden_size)
        if self.id2label is None:
            fill(self, "id2label", {0: "LABEL_0", 1: "LABEL_1"})
        else:
            fill(self, "id2label", _label_table(self.id2label))
        self._check_types()
        self._check_ranges()
        self._check_shapes()

    # === Labels

    @property
    def num_labels(self) -> int:
        """Number of labels, which is the length of `id2label`."""
        return len(self.id2label)

    @property
    def label2id(self) -> dict[str, int]:
        """`id2label` the other way round."""
        return {label: index for index, label in self.id2label.items()}

    # === Conversion

    def replace(self, **changes: Any) -> "SqueezeBertConfig":
        """A copy with some fields changed, validated anew."""
        if "hidden_size" in changes:
            changes.setdefault("embedding_size", None)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, label ids as strings as JSON has them."""
        fields = dataclasses.asdict(self)
        fields["id2label"] = {str(index): name for index, name in self.id2label.items()}
        return fields

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SqueezeBertConfig":
        """The configuration in a dict of the fields above; any other is an error."""
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise InputError(
                f"SqueezeBertConfig has only the fields {', '.join(known)}. "
                f"Received: {_listed(unknown)}"
            )
        return cls(**values)

    # === Hugging Face's config.json

    def save(self, folder: str | os.PathLike, architecture: str | None = None) -> None:
        """Writes `config.json` as Hugging Face does.

        Args:
            folder: An existing folder.
            architecture: Class name of the model that the folder holds.
        """
        values = {"model_type": "squeezebert", **self.to_dict()}
        values["label2id"] = self.label2id
        if architecture:
            values["architectures"] = [architecture]
        if self.problem_type is None:
            del values["problem_type"]
        write_json(os.path.join(folder, CONFIG_FILE), values)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike) -> "SqueezeBertConfig":
        """Reads the `config.json` of a model's folder.

        `transformers` writes fields into every config that say nothing about this
        architecture (`transformers_version`, generation defaults, …): they are left
        out. A field that resembles one of ours is taken for a misspelling.

        Raises:
            InputError: No such file, not JSON, another architecture, or a bad value.
        """
        path = os.path.join(folder, CONFIG_FILE)
        values = read_json(path)
        try:
            return cls(**_own_fields(cls, values))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    # === Validation

    def _check_types(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int or field.name == "embedding_size":
                fits = isinstance(value, int) and not isinstance(value, bool)
            elif field.type is float:
                fits = isinstance(value, int | float) and not isinstance(value, bool)
            elif field.type in (bool, str):
                fits = isinstance(value, field.type)
            else:
                continue
            if not fits:
                raise InputError(
                    f"`{field.name}` is of the wrong type. Expected: "
                    f"{getattr(field.type, '__name__', 'int')}. "
                    f"Received: {field.name}={value!r}"
                )

    def _check_ranges(self):
        positive = [
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
            "layer_norm_eps",
            "initializer_range",
            *(name for name in vars(self) if name.endswith("_groups")),
        ]
        for name in positive:
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(
                    f"`{name}` must be positive. Received: {name}={getattr(self, name)}"
                )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"`{name}` must be in [0, 1). Received: "
                    f"{name}={getattr(self, name)}"
                )
        if not 0 <= self.pad_token_id < self.vocab_size:
            raise InputError(
                "`pad_token_id` must be an id of the vocabulary. Received: "
                f"pad_token_id={self.pad_token_id}, vocab_size={self.vocab_size}"
            )
        _check_choice("hidden_act", self.hidden_act, ACTIVATIONS)
        if self.problem_type is not None:
            _check_choice("problem_type", self.problem_type, PROBLEM_TYPES)
        if self.problem_type == "single_label_classification" and self.num_labels == 1:
            raise InputError(
                "A classification needs two labels or more. Received: "
                f"problem_type={self.problem_type!r}, num_labels=1"
            )
        if not self.tie_word_embeddings:
            raise InputError(
                "Only a masked-LM decoder tied to the word embeddings is supported. "
                "Received: tie_word_embeddings=False"
            )

    def _check_shapes(self):
        if self.embedding_size != self.hidden_size:
            raise InputError(
                "`embedding_size` must equal `hidden_size`: SqueezeBERT has no "
                f"projection between them. Received: embedding_size="
                f"{self.embedding_size}, hidden_size={self.hidden_size}"
            )
        divisors = {
            "hidden_size": [
                "num_attention_heads",
                "q_groups",
                "k_groups",
                "v_groups",
                "post_attention_groups",
                "intermediate_groups",
                "output_groups",
            ],
            "intermediate_size": ["intermediate_groups", "output_groups"],
        }
        for name, divided_by in divisors.items():
            for divisor in divided_by:
                if getattr(self, name) % getattr(self, divisor):
                    raise InputError(
                        f"`{name}` must be divisible by `{divisor}`. Received: "
                        f"{name}={getattr(self, name)}, "
                        f"{divisor}={getattr(self, divisor)}"
                    )


def _label_table(id2label):
    """Label ids as ints in order: JSON has strings for keys."""
    received = f"Received: id2label={str(id2label)[:200]}"
    try:
        table = {int(str(index)): str(name) for index, name in id2label.items()}
    except (AttributeError, ValueError):
        raise InputError(
            f"`id2label` must map class ids to names. {received}"
        ) from None
    if sorted(table) != list(range(len(id2label))) or not table:
        raise InputError(
            f"The ids of `id2label` must be 0, 1, 2, … without a gap. {received}"
        )
    if len(set(table.values())) != len(table):
        raise InputError(
            f"The labels of `id2label` must differ from one another. {received}"
        )
    return dict(sorted(table.items()))


def _own_fields(cls, values):
    """The fields of ours in what a `config.json` holds."""
    model_type = values.get("model_type", "squeezebert")
    if model_type != "squeezebert":
        raise InputError(
            "Another architecture. Expected model_type='squeezebert'. Received: "
            f"model_type={model_type!r}"
        )
    known = [field.name for field in dataclasses.fields(cls)]
    for name in values:
        resembled = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if resembled and name not in known:
            raise InputError(
                f"There is no such field. Did you mean {resembled[0]!r}? "
                f"Received: {name!r}"
            )
    own = {name: values[name] for name in known if name in values}
    count = values.get("num_labels")  # old files have it in place of id2label
    if count is not None:
        if own.get("id2label") is None and isinstance(count, int):
            own["id2label"] = {i: f"LABEL_{i}" for i in range(count)}
        elif not own.get("id2label") or len(own["id2label"]) != count:
            raise InputError(
                "`num_labels` must be the length of `id2label`. Received: "
                f"num_labels={count!r}"
            )
    return own


def _check_choice(name, value, choices):
    if value not in choices:
        raise InputError(
            f"`{name}` must be one of {_listed(choices)}. Received: {name}={value!r}"
        )


def _listed(names):
    return ", ".join(repr(name) for name in names)

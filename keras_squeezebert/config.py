"""SqueezeBertConfig: the hyperparameters, as Hugging Face writes them."""

import dataclasses
import difflib
import math
import os
from dataclasses import dataclass
from typing import Any

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import read_json, write_json
from keras_squeezebert.hub import pretrained_folder
from keras_squeezebert.presets import PRESETS

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

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "SqueezeBertConfig":
        """A shape by its name; docs/design.md says how fast each is.

        | name | layers × width | heads | encoder's parameters |
        |---|---|---|---|
        | `base` | 12 × 768 | 12 | 26.7 M |
        | `medium` | 6 × 768 | 12 | 13.3 M |
        | `small` | 6 × 384 | 12 | 3.3 M |
        | `mini` | 4 × 256 | 4 | 1.0 M |
        | `bert-base` | 12 × 768 | 12 | 85.1 M |

        `base` is the paper's, `bert-base` is BERT itself: no groups.

        Args:
            name: One of those above.
            **changes: Fields that replace the preset's, e.g. `id2label`; `num_labels`
                stands for as many labels without names.

        Raises:
            InputError: There is no such preset, or a change does not fit.

        Example:
            >>> config = SqueezeBertConfig.preset("small", num_labels=3)
            >>> config.num_hidden_layers, config.hidden_size, config.num_labels
            (6, 384, 3)
        """
        if name not in PRESETS:
            raise InputError(
                f"There are the presets {_listed(PRESETS)}. Received: {name!r}"
            )
        return cls(**PRESETS[name]).replace(**changes)

    def replace(self, **changes: Any) -> "SqueezeBertConfig":
        """A copy with some fields changed, validated anew.

        `num_labels` stands for as many labels without names.
        """
        if "num_labels" in changes:
            changes = _with_labels({"id2label": None, **changes})
            del changes["num_labels"]
        if "hidden_size" in changes:
            changes.setdefault("embedding_size", None)
        self._check_known(changes)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, label ids as strings as JSON has them."""
        fields = dataclasses.asdict(self)
        fields["id2label"] = {str(index): name for index, name in self.id2label.items()}
        return fields

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SqueezeBertConfig":
        """The configuration in a dict of the fields above; any other is an error."""
        cls._check_known(values)
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
    def from_pretrained(
        cls,
        source: str | os.PathLike,
        *,
        revision: str | None = None,
        **changes: Any,
    ) -> "SqueezeBertConfig":
        """Reads the `config.json` of a model.

        `transformers` writes fields into every config that say nothing about this
        architecture (`transformers_version`, generation defaults, …): they are left
        out. A field that resembles one of ours is taken for a misspelling. The config
        of a BERT gives a SqueezeBERT with every group count 1, which is the same.

        Args:
            source: A model's folder, or its id on the Hugging Face Hub.
            revision: Branch, tag or commit on the Hub.
            **changes: Fields that replace those read, e.g. `id2label`; `num_labels`
                stands for as many labels without names.

        Raises:
            InputError: No such file, not JSON, another architecture, or a bad value.

        Example:
            >>> import tempfile
            >>> folder = tempfile.mkdtemp()
            >>> SqueezeBertConfig().save(folder)
            >>> SqueezeBertConfig.from_pretrained(folder, num_labels=4).num_labels
            4
        """
        path = pretrained_folder(source, [CONFIG_FILE], revision) / CONFIG_FILE
        values = read_json(path)
        try:
            if values.get("model_type") == "bert":
                values = _bert_fields(values)
            config = cls(**_own_fields(cls, values))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        return config.replace(**changes)

    # === Validation

    @classmethod
    def _check_known(cls, names):
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(
                f"SqueezeBertConfig has only the fields {', '.join(known)}. "
                f"Received: {_listed(unknown)}"
            )

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


def _bert_fields(values):
    """A BERT's config as that of the SqueezeBERT that is equal to it."""
    required = {
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
        # All of a BERT's LayerNorms have it; SqueezeBERT's encoder has 1e-12 always.
        "layer_norm_eps": 1e-12,
    }
    for name, expected in required.items():
        if values.get(name, expected) != expected:
            raise InputError(
                f"A BERT like this has no equal in SqueezeBERT. Expected: "
                f"{name}={expected!r}. Received: {name}={values[name]!r}"
            )
    groups = [f.name for f in dataclasses.fields(SqueezeBertConfig)]
    groups = [name for name in groups if name.endswith("_groups")]
    return {**values, "model_type": "squeezebert", **dict.fromkeys(groups, 1)}


def _own_fields(cls, values):
    """The fields of ours in what a `config.json` holds."""
    model_type = values.get("model_type", "squeezebert")
    if model_type != "squeezebert":
        raise InputError(
            "Another architecture. Expected: model_type 'squeezebert' or 'bert'. "
            f"Received: model_type={model_type!r}"
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
    if values.get("num_labels") is None:
        return own
    # Old files have it in place of id2label.
    return own | {"id2label": _with_labels(values)["id2label"]}


def _with_labels(values):
    """`values` with an `id2label` that fits its `num_labels`."""
    count, id2label = values["num_labels"], values.get("id2label")
    if id2label is None and isinstance(count, int):
        id2label = {i: f"LABEL_{i}" for i in range(count)}
    if not id2label or len(id2label) != count:
        raise InputError(
            "`num_labels` must be the length of `id2label`. Received: "
            f"num_labels={count!r}"
        )
    return {**values, "id2label": id2label}


def _check_choice(name, value, choices):
    if value not in choices:
        raise InputError(
            f"`{name}` must be one of {_listed(choices)}. Received: {name}={value!r}"
        )


def _listed(names):
    return ", ".join(repr(name) for name in names)

"""PretrainedModel: what all models share, which is not about what they compute."""

import logging
import os
from typing import Any

import keras

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.converters import load_checkpoint, save_checkpoint
from keras_squeezebert.files import atomic_folder
from keras_squeezebert.hub import pretrained_folder
from keras_squeezebert.layers.base import values_follow
from keras_squeezebert.models.distillation import Distillation, SavedAnswers
from keras_squeezebert.models.inputs import INPUT_NAMES, check_inputs
from keras_squeezebert.models.optimizer import adamw
from keras_squeezebert.quantization.points import current_scheme, quantizing
from keras_squeezebert.quantization.quantize_aware import check_can_be_simulated
from keras_squeezebert.quantization.ranges import (
    check_calibrated,
    load_ranges,
    read_scheme,
    save_quantization,
    update_weight_ranges,
)
from keras_squeezebert.quantization.scheme import QUANTIZATION_FILE, Scheme

logger = logging.getLogger(__name__)


class PretrainedModel(keras.Model):
    """A Functional model made from a config, saved as Hugging Face saves its own.

    Subclasses make their layers and wire them before they call `__init__`, and keep
    them as attributes after it: on the torch backend a model is a `torch.nn.Module`,
    which takes none sooner.

    Args:
        config: A `SqueezeBertConfig`.
        inputs: Inputs of the Functional model.
        outputs: Outputs of the Functional model.
        dtype: Dtype policy of the layers, remembered for serialization.
        **kwargs: `name`, `trainable` of `keras.Model`.
    """

    _distillation = None

    def __init__(self, config, inputs, outputs, *, dtype=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.dtype_policy = keras.dtype_policies.get(dtype)
        self.config = config
        self.scheme = current_scheme()
        self.load_report = None

    # === Training

    def default_objective(self):
        """Arguments of `compile` for the task's loss and metrics; {} has none."""
        return {}

    def compile(self, optimizer="auto", loss="auto", *, metrics="auto", **kwargs):
        """As `keras.Model.compile`; "auto" is the task's own choice.

        The default optimizer is AdamW at 5e-5, BERT's for fine-tuning pretrained
        weights; a model that starts from random ones wants about 1e-3. XLA
        (`jit_compile`) is off by default on TensorFlow, where it would compile every
        new sequence length.
        """
        if keras.backend.backend() == "tensorflow":
            kwargs.setdefault("jit_compile", False)
        # Keras takes None for "as before", which here would be the task's own.
        chosen = {"loss": loss, "metrics": [] if metrics is None else metrics}
        chosen = {name: value for name, value in chosen.items() if value != "auto"}
        super().compile(
            optimizer=adamw() if optimizer == "auto" else optimizer,
            **{**self.default_objective(), **chosen, **kwargs},
        )

    def distill_from(
        self,
        teacher: keras.Model | SavedAnswers | None,
        weight: float = 0.5,
        temperature: float = 1.0,
        *,
        hidden_weight: float = 0.0,
        attention_weight: float = 0.0,
    ) -> None:
        """Has the training that follows learn from a teacher, too.

        Call it before `compile`. Evaluation goes by the labels alone, and what is saved
        knows of no teacher.

        Args:
            teacher: A trained model with this one's outputs, e.g. the one in float of
                which this is the quantized copy; or its answers, see `save_answers`;
                None ends it.
            weight: Share of the loss that is the distance to the teacher's answers.
            temperature: See :class:`Distillation`.
            hidden_weight: Of the distance to its hidden states, added to the loss; see
                :class:`LayerDistillation`.
            attention_weight: Of the distance to its attention, likewise.

        Raises:
            InputError: The teacher has other outputs, or other layers than can be
                learnt from; or a number is out of range.

        Example:
            >>> import numpy as np
            >>> from keras_squeezebert import SqueezeBertForSequenceClassification
            >>> config = SqueezeBertConfig(
            ...     hidden_size=32, intermediate_size=64,
            ...     num_hidden_layers=1, num_attention_heads=4,
            ... )
            >>> teacher = SqueezeBertForSequenceClassification(config)
            >>> student = SqueezeBertForSequenceClassification(config)
            >>> student.distill_from(teacher, weight=0.7)
            >>> student.compile()
            >>> ids = np.array([[101, 2307, 102], [101, 2919, 102]], "int32")
            >>> inputs = {
            ...     "input_ids": ids,
            ...     "attention_mask": np.ones_like(ids),
            ...     "token_type_ids": np.zeros_like(ids),
            ... }
            >>> _ = student.fit(inputs, np.array([1, 0]), verbose=0)
        """
        self._distillation = None
        if teacher is not None:
            self._distillation = Distillation(
                self, teacher, weight, temperature, hidden_weight, attention_weight
            )

    @property
    def distillation(self):
        """The `Distillation` that :meth:`distill_from` began, or None."""
        return self._distillation

    @property
    def variables(self):
        """All that training changes, what maps to a teacher's width among it."""
        taught = self._distillation
        return super().variables + (taught.variables if taught else [])

    @property
    def trainable_weights(self):
        """As `trainable_variables`; Keras on TensorFlow trains these."""
        return self.trainable_variables

    def call(self, inputs, training=None, mask=None):
        layers = self._distillation and self._distillation.layers
        if training and layers:
            return layers.run_student(inputs)
        return super().call(inputs, training=training, mask=mask)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if self._distillation is None or not training:
            return loss
        return self._distillation.blend(loss, x, y_pred)

    def get_compile_config(self):
        """What a `.keras` file keeps of `compile`, and whether training had begun."""
        config = super().get_compile_config()
        if self.compiled:
            # A state that is of a teacher's, too, fits no model of the file.
            taught = self._distillation and self._distillation.variables
            config["optimizer_built"] = self.optimizer.built and not taught
        return config

    def compile_from_config(self, config):
        """Compiles as a `.keras` file says; Keras would skip a `compile` of ours."""
        built = config.pop("optimizer_built")
        self.compile(**keras.saving.deserialize_keras_object(config))
        if built:  # its state is in the file, and needs variables to be read into
            self.optimizer.build(self.trainable_variables)

    # === Checked calls

    def __call__(self, inputs, *args, **kwargs):
        check_inputs(inputs, self)
        if isinstance(inputs, dict):  # without a teacher's answers
            inputs = {name: inputs[name] for name in INPUT_NAMES}
        return super().__call__(inputs, *args, **kwargs)

    def fit(self, x=None, *args, **kwargs):
        check_inputs(x, self)
        if self.scheme is None:
            return super().fit(x, *args, **kwargs)
        check_calibrated(self)
        history = super().fit(x, *args, **kwargs)
        update_weight_ranges(self)  # they are those before the last step
        return history

    def evaluate(self, x=None, *args, **kwargs):
        check_inputs(x, self)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        check_inputs(x, self)
        return super().predict(x, *args, **kwargs)

    # === Keras' own serialization

    def get_config(self):
        return {
            "config": self.config.to_dict(),
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "name": self.name,
            "trainable": self.trainable,
            "scheme": self.scheme and self.scheme.to_dict(),
        }

    @classmethod
    def from_config(cls, config):
        scheme = config.pop("scheme", None)
        with quantizing(scheme and Scheme.from_dict(scheme)):
            return cls(SqueezeBertConfig.from_dict(config.pop("config")), **config)

    # === Hugging Face's folder

    def save_pretrained(
        self, folder: str | os.PathLike, *, dtype: str = "float32"
    ) -> None:
        """Writes `config.json` and `model.safetensors`, in Hugging Face's form.

        `transformers` loads the folder as it is. Other files in it are kept, and a
        save that is killed leaves the old ones whole. The scheme and the ranges of a
        quantized model go to `quantization.json`, from where `from_pretrained` has
        them; other programs see its float weights.

        Args:
            folder: Made if it does not exist.
            dtype: Of the stored weights: "float32", or "float16" in half the bytes.
        """
        with atomic_folder(folder, obsolete=[QUANTIZATION_FILE]) as draft:
            self.config.save(draft, architecture=type(self).__name__)
            save_checkpoint(self, draft, dtype)
            if self.scheme:
                save_quantization(self, draft)

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike,
        *,
        revision: str | None = None,
        config: SqueezeBertConfig | None = None,
        new_head: bool = False,
        ignore_mismatched_sizes: bool = False,
        dtype=None,
        **changes: Any,
    ):
        """A model with the weights of a checkpoint, of this class or of another.

        Checkpoints are what `save_pretrained` writes and what `transformers` writes
        or ever wrote, of a SqueezeBERT or of a BERT, which is a SqueezeBERT with every
        group count 1. The encoder must be there. A head that the checkpoint lacks
        keeps its random initial weights, which is logged as a warning, and one that
        this class lacks is left out; `load_report` of the model says of every weight
        what became of it.

        Args:
            source: A folder, or an id on the Hugging Face Hub, such as
                "squeezebert/squeezebert-uncased".
            revision: Branch, tag or commit on the Hub.
            config: Takes the place of the checkpoint's.
            new_head: Whether the head keeps its random initial weights even if the
                checkpoint has one: it was trained for other labels.
            ignore_mismatched_sizes: Whether weights of another shape than the model's
                keep their random initial values, rather than be an error.
            dtype: Dtype policy, e.g. "mixed_float16". Default: Keras' global one.
            **changes: Fields of the config to change, e.g. `id2label`, `num_labels`.

        Raises:
            InputError: There is no such model; a file is missing or damaged, or would
                run code; a weight has another shape.

        Example:
            >>> import tempfile
            >>> from keras_squeezebert import SqueezeBertForTokenClassification
            >>> config = SqueezeBertConfig(
            ...     hidden_size=32, intermediate_size=64,
            ...     num_hidden_layers=2, num_attention_heads=4,
            ... )
            >>> folder = tempfile.mkdtemp()
            >>> SqueezeBertForTokenClassification(config).save_pretrained(folder)
            >>> model = SqueezeBertForTokenClassification.from_pretrained(folder)
            >>> len(model.load_report.loaded), model.load_report.initialized
            (41, {})
        """
        if config is None:
            config = SqueezeBertConfig.from_pretrained(
                source, revision=revision, **changes
            )
        elif changes:
            config = config.replace(**changes)
        folder = pretrained_folder(source, [QUANTIZATION_FILE], revision)
        scheme = read_scheme(folder)
        if scheme:
            check_can_be_simulated(dtype)
        with quantizing(scheme), values_follow():
            model = cls(config, dtype=dtype)
        report = model.load_report = load_checkpoint(
            model,
            source,
            revision=revision,
            new_head=new_head,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
        )
        if report.initialized:
            initial = {v.path: v for v in cls(config, dtype=dtype).variables}
            for variable in model.variables:
                if variable.path in report.initialized:
                    variable.assign(initial[variable.path])
        if scheme:
            load_ranges(model, folder)
            update_weight_ranges(model)
        if any(v.path in report.initialized for v in model.trainable_variables):
            logger.warning("%s", report)
        return model

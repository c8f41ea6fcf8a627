"""PretrainedModel: what all models share, which is not about what they compute."""

import os

import keras

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.converters import load_checkpoint, save_checkpoint
from keras_squeezebert.files import atomic_folder, settled_folder
from keras_squeezebert.models.inputs import check_inputs
from keras_squeezebert.models.optimizer import adamw


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

    def __init__(self, config, inputs, outputs, *, dtype=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.dtype_policy = keras.dtype_policies.get(dtype)
        self.config = config
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

    def get_compile_config(self):
        """What a `.keras` file keeps of `compile`, and whether training had begun."""
        config = super().get_compile_config()
        if self.compiled:
            config["optimizer_built"] = self.optimizer.built
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
        return super().__call__(inputs, *args, **kwargs)

    def fit(self, x=None, *args, **kwargs):
        check_inputs(x, self)
        return super().fit(x, *args, **kwargs)

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
        }

    @classmethod
    def from_config(cls, config):
        return cls(SqueezeBertConfig.from_dict(config.pop("config")), **config)

    # === Hugging Face's folder

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Writes `config.json` and `model.safetensors`, in Hugging Face's form.

        `transformers` loads the folder as it is. Other files in it are kept, and a
        save that is killed leaves the old ones whole.

        Args:
            folder: Made if it does not exist.
        """
        with atomic_folder(folder) as draft:
            self.config.save(draft, architecture=type(self).__name__)
            save_checkpoint(self, draft)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike,
        *,
        config: SqueezeBertConfig | None = None,
        new_head: bool = False,
        dtype=None,
    ):
        """A model with the weights of a folder, of this class or of another.

        The encoder must be there. A head that the folder lacks keeps its random
        initial weights, and one that this class lacks is left out; `load_report`
        of the model says which.

        Args:
            folder: A folder with `config.json` and `model.safetensors`.
            config: Takes the place of the folder's, e.g. to change the labels.
            new_head: Whether the head keeps its random initial weights even if the
                folder has one: it was trained for other labels.
            dtype: Dtype policy, e.g. "mixed_float16". Default: Keras' global one.

        Raises:
            InputError: A file is missing or damaged, or a weight has another shape.
        """
        folder = settled_folder(folder)
        config = config or SqueezeBertConfig.from_pretrained(folder)
        model = cls(config, dtype=dtype)
        model.load_report = load_checkpoint(model, folder, new_head)
        return model

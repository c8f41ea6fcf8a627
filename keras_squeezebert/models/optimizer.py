"""What BERTs are trained with: AdamW, rates by layer, and Muon for grouped layers."""

import re

import keras
from keras import ops

from keras_squeezebert.layers.base import PACKAGE

# Names of the weights that do not decay: biases and those of LayerNorms.
NOT_DECAYED = ["bias", "gamma", "beta"]


def adamw(learning_rate=5e-5, weight_decay=0.01, layer_decay=1.0, **options):
    """AdamW, sparing biases and LayerNorms from decay, on gradients of norm 1 at most.

    Args:
        learning_rate: A number or a Keras schedule. The default is BERT's for
            pretrained weights; a model that starts from random ones wants about 1e-3.
        weight_decay: Share of each weight that a step of learning rate 1 removes.
        layer_decay: Share of a layer's rate that the layer below it has; see
            :class:`LayerwiseAdamW`.
        **options: Of `keras.optimizers.AdamW`, such as `global_clipnorm` and
            `gradient_accumulation_steps`.

    Example:
        >>> adamw(1e-3).global_clipnorm
        1.0

    Reference:
        Loshchilov and Hutter 2019, arXiv 1711.05101; Iandola et al. 2020, section 4.
    """
    options = {"weight_decay": weight_decay, "global_clipnorm": 1.0, **options}
    if layer_decay == 1.0:
        optimizer = keras.optimizers.AdamW(learning_rate, **options)
    else:
        optimizer = LayerwiseAdamW(learning_rate, layer_decay=layer_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


@keras.saving.register_keras_serializable(PACKAGE)
class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW with a lower learning rate the further a layer is from the head.

    What a pretrained encoder knows of language is in its lower layers; the rate of the
    head is the optimizer's, that of the last encoder layer `layer_decay` times it, and
    so on down to the embeddings. A weight decays at its layer's own rate.

    Args:
        learning_rate: As in `keras.optimizers.AdamW`.
        layer_decay: A number in (0, 1].
        **kwargs: As in `keras.optimizers.AdamW`.

    Example:
        >>> optimizer = LayerwiseAdamW(1e-3, layer_decay=0.5)
        >>> paths = ["embeddings/gamma", "encoder_layer_0/bias", "classifier/bias"]
        >>> optimizer.scales(paths)
        [0.25, 0.5, 1.0]

    Reference:
        Howard and Ruder 2018, arXiv 1801.06146, section 3.2.
    """

    def __init__(self, learning_rate=5e-5, layer_decay=0.9, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.layer_decay = layer_decay

    def build(self, variables):
        super().build(variables)
        self._scales = self.scales([variable.path for variable in variables])

    def scales(self, paths):
        """What the learning rate is multiplied by, for variables of these paths."""
        depths = [_depth(path) for path in paths]
        top = max((depth for depth in depths if depth is not None), default=-1) + 1
        return [
            self.layer_decay ** (top - (top if depth is None else depth))
            for depth in depths
        ]

    def update_step(self, gradient, variable, learning_rate):
        scale = self._scales[self._get_variable_index(variable)]
        rate = ops.cast(learning_rate * scale, variable.dtype)
        if self.weight_decay and self._use_weight_decay(variable):
            self.assign_sub(variable, variable * self.weight_decay * rate)
        super().update_step(gradient, variable, rate)

    def _apply_weight_decay(self, variables):
        """Nothing: `update_step` does it, which knows the rate of each layer."""

    def get_config(self):
        return {**super().get_config(), "layer_decay": self.layer_decay}


def _depth(path):
    """0 for the embeddings, 1 for the first encoder layer; None is above them all."""
    if match := re.search(r"\bencoder_layer_(\d+)/", path):
        return 1 + int(match[1])
    return 0 if re.search(r"\bembeddings/", path) else None


@keras.saving.register_keras_serializable(PACKAGE)
class GroupedMuon(keras.optimizers.Muon):
    """Muon, for which each group of a grouped convolution is a matrix of its own.

    The update of a matrix is the orthogonal one nearest to its momentum, so that no
    direction of it learns faster than another. What a `GroupedConv1D` multiplies by
    is one matrix for each group, whose directions have nothing to do with those of
    the other groups. All other variables, embeddings and heads among them, are
    AdamW's, at the same rate.

    Args:
        learning_rate: A number or a Keras schedule, as AdamW's.
        weight_decay: Of both kinds of variables.
        **kwargs: As in `keras.optimizers.Muon`.

    Example:
        >>> from keras_squeezebert.layers import GroupedConv1D
        >>> layer = GroupedConv1D(6, groups=2)
        >>> layer.build((None, 4))
        >>> before = ops.convert_to_numpy(layer.kernel)
        >>> optimizer = GroupedMuon(0.1)
        >>> gradient = [[[1.0, 0, 0, 50, 0, 0], [0, 2, 0, 0, 90, 0]]]
        >>> optimizer.apply([ops.convert_to_tensor(gradient)], [layer.kernel])
        >>> moved = before - ops.convert_to_numpy(layer.kernel)
        >>> # The large gradients of the second group move it no further.
        >>> bool(abs(moved[0, :, 3:]).max() < 1.7 * abs(moved[0, :, :3]).max())
        True

    Reference:
        Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; Liu et al. 2025,
        arXiv 2502.16982, section 2.2, for the size of the updates.
    """

    def __init__(self, learning_rate=1e-3, weight_decay=0.01, **kwargs):
        kwargs.setdefault("adam_weight_decay", weight_decay)
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)

    def build(self, variables):
        self._groups = [getattr(variable, "groups", None) for variable in variables]
        super().build(variables)

    def _should_use_adamw(self, variable):
        return getattr(variable, "groups", None) is None

    def _muon_update_step(self, gradient, variable, lr, m):
        groups = self._groups[self._get_variable_index(variable)]
        _, channels, filters = variable.shape
        self.assign_add(m, gradient + (self.momentum - 1) * m)
        ahead = gradient + self.momentum * m if self.nesterov else m
        parts = ops.reshape(ahead, (channels, groups, filters // groups))
        parts = ops.transpose(parts, (1, 0, 2))  # (groups, channels, filters / groups)
        parts = self.zeropower_via_newtonschulz5(parts, self.ns_steps)
        update = ops.reshape(ops.transpose(parts, (1, 0, 2)), variable.shape)
        if self.rms_rate is not None:  # the root mean square of AdamW's updates
            update = update * (self.rms_rate * max(channels, filters // groups) ** 0.5)
        self.assign_sub(variable, lr * update)

"""The optimizer that BERTs are fine-tuned with."""

import keras


def adamw(learning_rate=5e-5, weight_decay=0.01):
    """AdamW, sparing biases and LayerNorms from decay, on gradients of norm 1 at most.

    Args:
        learning_rate: A number or a Keras schedule. The default is BERT's for
            pretrained weights; a model that starts from random ones wants about 1e-3.
        weight_decay: Share of each weight that a step of learning rate 1 removes.

    Example:
        >>> adamw(1e-3).global_clipnorm
        1.0

    Reference:
        Loshchilov and Hutter 2019, arXiv 1711.05101; Iandola et al. 2020, section 4.
    """
    optimizer = keras.optimizers.AdamW(
        learning_rate, weight_decay=weight_decay, global_clipnorm=1.0
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer

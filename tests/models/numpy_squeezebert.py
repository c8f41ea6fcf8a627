"""SqueezeBERT in plain numpy, from the equations: the oracle of the tests.

Weights are a dict of arrays by variable path. Everything is computed in float64, one
head and one group at a time, with nothing in common with the layers under test.
"""

import math

import numpy as np

ENCODER_EPS = 1e-12  # Hugging Face's encoder ignores the config's

_erf = np.vectorize(math.erf, otypes=[float])


def _gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _silu(x):
    return x / (1 + np.exp(-x))


ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "relu": lambda x: np.where(x > 0, x, 0),
    "silu": _silu,
    "swish": _silu,
}


# === Small parts


def under(weights, prefix):
    """The weights below a path, by the rest of their paths."""
    return {
        path.removeprefix(f"{prefix}/"): value
        for path, value in weights.items()
        if path.startswith(f"{prefix}/")
    }


def softmax(x):
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def cross_entropy(logits, labels):
    """Of each row: (rows, classes), (rows,) → (rows,)."""
    return -np.log(softmax(logits)[np.arange(len(labels)), labels])


def layer_norm(x, weights, epsilon):
    mean = x.mean(-1, keepdims=True)
    deviation = np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + epsilon)
    return (x - mean) / deviation * weights["gamma"] + weights["beta"]


def dense(x, weights):
    return x @ weights["kernel"] + weights["bias"]


def block_diagonal(kernel, groups):
    """The dense matrix (in, out) of a grouped kernel (1, in / groups, out)."""
    _, width, filters = kernel.shape
    matrix = np.zeros((width * groups, filters))
    for output in range(filters):
        start = output // (filters // groups) * width
        matrix[start : start + width, output] = kernel[0, :, output]
    return matrix


def grouped_dense(x, weights, groups):
    return x @ block_diagonal(weights["kernel"], groups) + weights["bias"]


# === Layers


def embeddings(weights, config, input_ids, token_type_ids):
    x = (
        weights["word_embeddings"][input_ids]
        + weights["position_embeddings"][np.arange(input_ids.shape[-1])]
        + weights["token_type_embeddings"][token_type_ids]
    )  # (batch, seq, hidden)
    return layer_norm(x, under(weights, "layer_norm"), config.layer_norm_eps)


def self_attention(weights, config, hidden, mask):
    query = grouped_dense(hidden, under(weights, "query"), config.q_groups)
    key = grouped_dense(hidden, under(weights, "key"), config.k_groups)
    value = grouped_dense(hidden, under(weights, "value"), config.v_groups)
    size = config.hidden_size // config.num_attention_heads
    context = np.empty_like(hidden)
    for head in range(config.num_attention_heads):
        own = slice(head * size, (head + 1) * size)
        scores = query[..., own] @ key[..., own].swapaxes(-1, -2) / math.sqrt(size)
        scores = np.where(mask[:, None, :] != 0, scores, -np.inf)  # (batch, seq, seq)
        context[..., own] = softmax(scores) @ value[..., own]
    return context


def conv_layer_norm(weights, groups, x, residual):
    x = residual + grouped_dense(x, under(weights, "conv"), groups)
    return layer_norm(x, under(weights, "layer_norm"), ENCODER_EPS)


def feed_forward(weights, config, hidden):
    x = grouped_dense(
        hidden, under(weights, "intermediate"), config.intermediate_groups
    )
    x = ACTIVATIONS[config.hidden_act](x)  # (batch, seq, intermediate)
    return conv_layer_norm(under(weights, "output"), config.output_groups, x, hidden)


def encoder_layer(weights, config, hidden, mask):
    context = self_attention(under(weights, "attention"), config, hidden, mask)
    hidden = conv_layer_norm(
        under(weights, "post_attention"), config.post_attention_groups, context, hidden
    )
    return feed_forward(under(weights, "feed_forward"), config, hidden)


def pooler(weights, hidden):
    return np.tanh(dense(hidden[:, 0], under(weights, "dense")))


def masked_lm_head(weights, config, hidden, table):
    x = ACTIVATIONS[config.hidden_act](dense(hidden, under(weights, "dense")))
    x = layer_norm(x, under(weights, "layer_norm"), config.layer_norm_eps)
    return x @ table.T + weights["bias"]  # (batch, seq, vocab)


# === Models


def base(weights, config, inputs):
    """The hidden states, the embeddings' output first, and the pooled one."""
    hidden = embeddings(
        under(weights, "embeddings"),
        config,
        inputs["input_ids"],
        inputs["token_type_ids"],
    )
    states = [hidden]
    for i in range(config.num_hidden_layers):
        layer = under(weights, f"encoder_layer_{i}")
        states.append(
            encoder_layer(layer, config, states[-1], inputs["attention_mask"])
        )
    return states, pooler(under(weights, "pooler"), states[-1])


def outputs(architecture, weights, config, inputs):
    """The outputs of a model by name; that of a head without names is `logits`."""
    if architecture == "SqueezeBertForMultipleChoice":
        batch, choices, seq = inputs["input_ids"].shape
        flat = {name: array.reshape(-1, seq) for name, array in inputs.items()}
        _, pooled = base(weights, config, flat)
        scores = dense(pooled, under(weights, "classifier"))
        return {"logits": scores.reshape(batch, choices)}

    states, pooled = base(weights, config, inputs)
    hidden = states[-1]  # (batch, seq, hidden)
    if architecture == "SqueezeBertModel":
        return {"last_hidden_state": hidden, "pooler_output": pooled}
    if architecture == "SqueezeBertForMaskedLM":
        table = weights["embeddings/word_embeddings"]
        head = under(weights, "predictions")
        return {"logits": masked_lm_head(head, config, hidden, table)}
    if architecture == "SqueezeBertForSequenceClassification":
        return {"logits": dense(pooled, under(weights, "classifier"))}
    if architecture == "SqueezeBertForTokenClassification":
        return {"logits": dense(hidden, under(weights, "classifier"))}
    logits = dense(hidden, under(weights, "qa_outputs"))  # (batch, seq, 2)
    return {"start_logits": logits[..., 0], "end_logits": logits[..., 1]}

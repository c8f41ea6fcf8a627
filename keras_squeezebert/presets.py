"""Shapes of SqueezeBERT that were measured, by name.

Every one keeps the paper's groups: with `post_attention_groups` 4 as well, no layer
would carry anything from one quarter of the channels to the others.
"""

PRESETS = {
    # The paper's, BERT-base's shape.
    "base": {},
    # DistilBERT's shape, of which every second layer of `base` is a start.
    "medium": {"num_hidden_layers": 6},
    # MiniLM's shape, whose weights can teach it layer by layer.
    "small": {
        "num_hidden_layers": 6,
        "hidden_size": 384,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    },
    "mini": {
        "num_hidden_layers": 4,
        "hidden_size": 256,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
    },
    # Not SqueezeBERT, but BERT itself, to compare with.
    "bert-base": {
        "q_groups": 1,
        "k_groups": 1,
        "v_groups": 1,
        "intermediate_groups": 1,
        "output_groups": 1,
    },
}

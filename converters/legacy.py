"""What checkpoints of other years call the weights, and what they hold beside them."""

import re

# Each applied once to a key, in this order. The prefixes of a base model inside a
# task's go too: files of one and of the other are read alike.
RENAMED = [
    (re.compile(r"^module\."), ""),  # saved from inside torch.nn.DataParallel
    (re.compile(r"^(transformer|bert)\."), ""),
    (re.compile(r"(layernorm)\.gamma$", re.IGNORECASE), r"\1.weight"),
    (re.compile(r"(layernorm)\.beta$", re.IGNORECASE), r"\1.bias"),
]

# A masked-LM decoder whose weights are those of the embeddings. Files have one, the
# other, or both of each pair.
TIED = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}

# Why a key is left out, of those that no model of today has a place for.
LEFT_OUT = [
    (re.compile(r"^embeddings\.position_ids$"), "a list of positions, not a weight"),
    (
        re.compile(r"^cls\.seq_relationship\."),
        "the sentence-pair head of pretraining, which no class has",
    ),
    (
        re.compile(r"^lm_head\."),
        "a masked-LM head of before November 2020, which had no transform",
    ),
    (re.compile(r"^(cls|classifier|qa_outputs)\."), "the head of another task"),
    (re.compile(r"^pooler\."), "a pooler, which this model lacks"),
    (re.compile(r"^encoder\.layers?\.\d+\."), "an encoder layer more than in config"),
]


def modern_key(key: str) -> str:
    """The name that a weight has today, without the prefix of a task's base model.

    Example:
        >>> modern_key("transformer.embeddings.LayerNorm.gamma")
        'embeddings.LayerNorm.weight'
        >>> modern_key("bert.pooler.dense.bias")
        'pooler.dense.bias'
    """
    for pattern, replacement in RENAMED:
        key = pattern.sub(replacement, key)
    return key


def why_left_out(key: str) -> str:
    """Why no variable takes what stands under a key, given by its modern name.

    Example:
        >>> why_left_out("embeddings.position_ids")
        'a list of positions, not a weight'
    """
    for pattern, reason in LEFT_OUT:
        if pattern.match(key):
            return reason
    return "not a weight of SqueezeBERT"

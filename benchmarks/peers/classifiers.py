"""Hugging Face's classifiers at their published sizes, with random weights."""

from pathlib import Path

import torch
import transformers

# The names of their classes begin with these.
MODELS = {
    "SqueezeBERT": "SqueezeBert",
    "BERT-base": "Bert",
    "DistilBERT": "DistilBert",
    "MobileBERT": "MobileBert",
}
# Those that run in PyTorch and ONNX Runtime as well.
EVERYWHERE = ("SqueezeBERT", "BERT-base")


class Classifier(torch.nn.Module):
    """A model that gives its logits alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, **inputs):
        return self.model(**inputs).logits  # (batch, labels)


def classifier(name):
    """The classifier of a name in MODELS, of the default config."""
    torch.manual_seed(0)
    prefix = MODELS[name]
    config = getattr(transformers, f"{prefix}Config")()
    model = getattr(transformers, f"{prefix}ForSequenceClassification")(config)
    return Classifier(model).eval()


def random_inputs(name, seq):
    """One text of random ids in two segments, the last quarter of it padding."""
    generator = torch.Generator().manual_seed(1)
    positions = torch.arange(seq)[None]  # (1, seq)
    inputs = {
        "input_ids": torch.randint(1000, 30000, (1, seq), generator=generator),
        "attention_mask": (positions < seq - seq // 4).long(),
        "token_type_ids": (positions > seq // 2).long(),
    }
    if name == "DistilBERT":  # has no segments
        del inputs["token_type_ids"]
    return inputs


def path_of(folder, name, precision, seq, suffix):
    """Where a form of a classifier is kept."""
    return Path(folder, f"{name}-{precision}-{seq}{suffix}")

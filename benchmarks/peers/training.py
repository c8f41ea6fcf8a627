"""A training step of transformers' SqueezeBERT, for `benchmarks/training.py`.

It is called with the number of layers, the hidden size, the texts in a batch, the
tokens of each, and the threads.
"""

import os
import shutil
import sys

import torch
from elsewhere import serve
from transformers import SqueezeBertConfig, SqueezeBertForSequenceClassification

HEAD_SIZE = 64


def step(config, ids, labels, compiled):
    """A function that trains a new model by one batch, as ours is trained."""
    model = SqueezeBertForSequenceClassification(config).train()
    forward = torch.compile(model) if compiled else model
    # Of PyTorch's three forms of AdamW the fastest, and what its Trainer takes.
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=5e-5, weight_decay=0.01, fused=True
    )

    def run():
        optimizer.zero_grad()
        loss = forward(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            token_type_ids=torch.zeros_like(ids),
            labels=labels,
        ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return run


def main(layers, width, batch, seq, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    config = SqueezeBertConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        embedding_size=width,
        intermediate_size=4 * width,
        num_attention_heads=width // HEAD_SIZE,
    )
    ids = torch.randint(5, config.vocab_size, (batch, seq))
    labels = torch.arange(batch) % 2
    name = f"PyTorch {torch.__version__}"
    steps = {f"{name}, eager": step(config, ids, labels, compiled=False)}
    if shutil.which(os.environ.get("CXX", "g++")):  # which torch.compile calls
        steps[f"{name}, torch.compile"] = step(config, ids, labels, compiled=True)
    serve(steps)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""What int8 costs in accuracy: float, rounded after training, and trained for int8.

    pip install seqeval
    python benchmarks/accuracy.py DATA sst2 --output accuracy
    python benchmarks/accuracy.py DATA conll2003 --output accuracy --seeds 0

DATA is a folder with glue/SST-2 and ner/conll2003; clinc150 comes with the package.
Every figure but the agreement is of the .tflite on the whole test set. What has been
done is not done again: a run that was cut off goes on where it was. The tables in
docs/design.md come from here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import keras
import numpy as np

from keras_squeezebert import (
    SqueezeBertForSequenceClassification,
    SqueezeBertForTokenClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.data import load_clinc150, read_examples, sorted_labels
from keras_squeezebert.models.objectives import IGNORED_LABEL
from keras_squeezebert.tokenizers.pruning import prune_vocabulary
from keras_squeezebert.training import fine_tune, token_batches
from keras_squeezebert.training.start import small_config

CALIBRATION_BATCHES = 40


@dataclass(frozen=True)
class Task:
    """A data set, and how a small model is trained on it from random weights.

    `read` gives the texts and labels of "train" and "test"; a label is a string, or a
    list of them, one for each word of the text.
    """

    read: Callable
    model_class: type
    max_length: int
    epochs: int
    metric: str


def read_clinc150(_data):
    splits = {name: load_clinc150(name) for name in ("train", "test")}
    return {name: (split.texts, split.labels) for name, split in splits.items()}


def read_sst2(data):
    splits = {}
    for name, file in [("train", "train.tsv"), ("test", "dev.tsv")]:
        split = read_examples(data / "glue/SST-2" / file, "sentence")
        splits[name] = (split.texts, split.labels)
    return splits


def read_conll2003(data):
    files = [("train", "eng.train"), ("test", "eng.testb")]
    return {name: read_columns(data / "ner/conll2003" / file) for name, file in files}


def read_columns(path):
    """Sentences, and the tags of their words turned from IOB1 to IOB2."""
    texts, tags = [], []
    for block in path.read_text().split("\n\n"):
        rows = [line.split() for line in block.splitlines() if line.strip()]
        if rows and rows[0][0] != "-DOCSTART-":
            texts.append(" ".join(row[0] for row in rows))
            tags.append(begun([row[-1] for row in rows]))
    return texts, tags


def begun(tags):
    """IOB2, in which every entity begins with a B, of IOB1."""
    before = ["O", *tags]
    return [
        f"B-{tag[2:]}" if tag[0] == "I" and last[2:] != tag[2:] else tag
        for last, tag in zip(before, tags, strict=False)
    ]


TASKS = {
    "clinc150": Task(
        read_clinc150, SqueezeBertForSequenceClassification, 32, 7, "accuracy"
    ),
    "sst2": Task(read_sst2, SqueezeBertForSequenceClassification, 64, 3, "accuracy"),
    "conll2003": Task(
        read_conll2003, SqueezeBertForTokenClassification, 128, 12, "entity F1"
    ),
}

# === From texts to arrays


def encoded(split, tokenizer, label2id, max_length):
    """Inputs (texts, seq), and label ids (texts,) or (texts, seq)."""
    texts, labels = split
    inputs = tokenizer(
        texts, max_length=max_length, padding="max_length", return_offsets_mapping=True
    )
    offsets = inputs.pop("offset_mapping")  # (texts, seq, 2)
    if isinstance(labels[0], str):
        return inputs, np.array([label2id[label] for label in labels])
    ids = np.full(offsets.shape[:2], IGNORED_LABEL)  # (texts, seq)
    for row, (text, tags) in enumerate(zip(texts, labels, strict=True)):
        starts = np.cumsum([0] + [len(word) + 1 for word in text.split(" ")])
        word_at = dict(zip(starts.tolist(), tags, strict=False))
        for position, (start, end) in enumerate(offsets[row].tolist()):
            if end and start in word_at:  # the first piece of a word
                ids[row, position] = label2id[word_at[start]]
    return inputs, ids


def score(logits, labels, config):
    """Accuracy; of labels of tokens, the F1 of whole entities."""
    predicted = logits.argmax(axis=-1)
    if labels.ndim == 1:
        return float((predicted == labels).mean())
    from seqeval.metrics import f1_score

    rows = [labels[i] != IGNORED_LABEL for i in range(len(labels))]

    def names(ids):
        return [
            [config.id2label[int(i)] for i in ids[r][kept]]
            for r, kept in enumerate(rows)
        ]

    return float(f1_score(names(labels), names(predicted)))


# === Training


def distinct(labels):
    return sorted_labels(
        labels
        if isinstance(labels[0], str)
        else [tag for tags in labels for tag in tags]
    )


def train_float(task, splits, folder, seed):
    """A model of 4 layers of width 256, trained from random weights."""
    texts, labels = splits["train"]
    keras.utils.set_random_seed(seed)
    vocabulary = prune_vocabulary(None, texts)
    tokenizer = SqueezeBertTokenizerFast(vocabulary, model_max_length=task.max_length)
    config = small_config(
        len(vocabulary),
        distinct(labels),
        max_position_embeddings=task.max_length,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
    )
    model = task.model_class(config)
    inputs, ids = encoded(splits["train"], tokenizer, config.label2id, task.max_length)
    batches = token_batches(
        inputs, ids, tokenizer, batch_size=64, shuffle_seed=seed, mask_rate=0.15
    )
    fine_tune(model, batches, epochs=task.epochs, learning_rate=1.5e-3, verbose=2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@click.command(help=__doc__)
@click.argument("data", type=click.Path(file_okay=False, path_type=Path))
@click.argument("task_name", type=click.Choice(list(TASKS)))
@click.option("--output", required=True, type=click.Path(path_type=Path))
@click.option("--seeds", default=(0, 1, 2), multiple=True, type=int)
def main(data, task_name, output, seeds):
    task = TASKS[task_name]
    splits = task.read(data)
    for seed in seeds:
        folder = output / task_name / str(seed)
        if not (folder / "float").exists():
            train_float(task, splits, folder / "float", seed)


if __name__ == "__main__":
    main()

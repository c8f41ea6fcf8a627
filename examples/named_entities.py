"""Another head than classification, end to end: names in sentences, in a .tflite.

    python examples/named_entities.py [TRAIN.conll TEST.conll]

Files have a word and its tag on each line and a blank line between sentences, as
CoNLL-2003 has them. Without files a few sentences are made up. Every head goes the same
way; only the task and the reader differ.
"""

import sys

import numpy as np

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.data import TokenExamples, read_conll
from keras_squeezebert.tasks import (
    TokenClassification,
    entities,
    model_outputs,
    word_spans,
)
from keras_squeezebert.tflite import (
    LiteRTModel,
    calibrate,
    export_tflite,
    quantize_aware,
)
from keras_squeezebert.training import Recipe, batches, fine_tune
from keras_squeezebert.training.start import scratch_config

LENGTH = 64  # tokens of the .tflite; longer sentences are several rows

SENTENCES = [
    "{} flew to {} .",
    "has {} seen {} ?",
    "{} lives in {}",
    "{} left {} today",
]
PEOPLE = ["ada", "grace hopper", "alan turing", "edsger", "barbara liskov", "donald"]
PLACES = ["oslo", "new york", "lima", "rio de janeiro", "kyoto", "cape town"]


def made_up(count, seed):
    """Sentences with a person and a place, and the tags of their words."""
    rng = np.random.default_rng(seed)
    words, tags = [], []
    for _ in range(count):
        names = iter([(rng.choice(PEOPLE), "PER"), (rng.choice(PLACES), "LOC")])
        row = []
        for word in rng.choice(SENTENCES).split():
            if word != "{}":
                row.append((word, "O"))
                continue
            name, kind = next(names)
            first, *rest = name.split()
            row += [(first, f"B-{kind}"), *((other, f"I-{kind}") for other in rest)]
        words.append([word for word, _ in row])
        tags.append([tag for _, tag in row])
    return TokenExamples(words, tags)


def main(train_path=None, test_path=None):
    train = read_conll(train_path) if train_path else made_up(800, seed=0)
    test = read_conll(test_path) if test_path else made_up(100, seed=1)

    # From random weights; from_pretrained and a real encoder do better.
    task, tokenizer = TokenClassification(), SqueezeBertTokenizerFast()
    config = scratch_config(tokenizer.vocab_size, task.label_names(train))
    model = task.model_class(config)
    features = task.encode(train, tokenizer, config, LENGTH)
    fine_tune(model, features, recipe=Recipe(epochs=2, learning_rate=1e-3), verbose=2)

    def tag(runs, examples):
        """What Keras or a .tflite says of each word."""
        features = task.encode(examples, tokenizer, config, LENGTH)
        outputs = model_outputs(task, runs, features)
        return task.decode(outputs, features, examples, config)

    quantized = quantize_aware(model)
    calibrate(quantized, batches(features, seed=0).take(20))
    path = export_tflite(quantized, "names.tflite", LENGTH, tokenizer=tokenizer)

    for name, runs in [("Keras", model), ("names.tflite", LiteRTModel(path))]:
        print(f"{name}: F1 {task.score(test, tag(runs, test), config)['f1']:.3f}")

    text = "Barbara Liskov flew to Rio de Janeiro."
    spans = word_spans(text)
    words = TokenExamples([[text[start:end] for start, end in spans]])
    (answer,) = tag(LiteRTModel(path), words)
    print(text, *entities(text, spans, answer), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""All heads on real data: trained from random weights, for int8, run from the .tflite.

    python benchmarks/tasks.py DATA --output tasks sst2 cola mrpc rte stsb
    python benchmarks/tasks.py DATA --output tasks conll2003 squad codah wiki
    python benchmarks/tasks.py DATA --output taught sst2 --teacher FOLDER \\
        --unlabelled imdb/unsup.txt.xz

DATA is a folder with glue, ner/conll2003, squad, codah and corpora. Each row is a small
model (the preset mini, its vocabulary pruned to the training texts), trained in float
and then with int8 simulated; every figure is that of a .tflite on the whole evaluation
set, by the task's own metric. Beside it stands what needs no network at all. FOLDER is
a model of the same task, fine-tuned by `squeezebert finetune`, which the small model
then learns from as well; --unlabelled adds sentences that only FOLDER's model knows the
labels of. What is done is not done again, and a run that was cut off goes on. It ends
with the table of all rows that are there, from which docs/tasks.md is made.
"""

import dataclasses
import json
import random
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import baselines
import click
import keras

from keras_squeezebert import SqueezeBertTokenizerFast, prune_word_pieces
from keras_squeezebert.data import (
    GLUE,
    TextExamples,
    read_codah,
    read_conll,
    read_documents,
    read_glue,
    read_squad,
)
from keras_squeezebert.files import write_json
from keras_squeezebert.models.word_embeddings import inherit_word_embeddings
from keras_squeezebert.tasks import (
    Evaluation,
    MaskedLM,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    Task,
    TokenClassification,
)
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.tflite import (
    LiteRTModel,
    calibrate,
    export_tflite,
    quantize_aware,
)
from keras_squeezebert.tokenizers.pruning import prune_vocabulary
from keras_squeezebert.training import Recipe, batches, fine_tune
from keras_squeezebert.training.session import remove_state
from keras_squeezebert.training.start import scratch_config
from keras_squeezebert.training.teacher_answers import load_answers, save_answers

CALIBRATION_BATCHES = 40
# What a teacher answers beside the training texts.
SENTENCES = 200_000
WORDS = range(4, 25)
# With int8 simulated: this many examples, once.
QUANTIZATION_EXAMPLES = 15_000
QUANTIZATION_RATE = 2e-5
FORMS = ("float32", "mixed", "int8")


@dataclasses.dataclass(frozen=True)
class Row:
    """A data set, and how a small model is trained on it from random weights.

    Args:
        read: A function of DATA and the seed that returns examples to train on, to
            choose the epoch by, and to report.
        task: The task.
        max_length: Tokens of a row.
        epochs: Passes over the data.
        baseline: A function of the examples to train on and to report: the name of a
            method without a network, and what it reaches.
        fields: Of the config.
        preset: The model's shape.
        seeds: The runs.
        hidden_share: Of the word pieces, others in every epoch.
    """

    read: Callable[[Path, int], tuple[Any, Any, Any]]
    task: Task
    max_length: int
    epochs: int
    baseline: Callable[[Any, Any], tuple[str, float]]
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    preset: str = "mini"
    seeds: tuple[int, ...] = (0, 1, 2)
    hidden_share: float = 0.15


# === The sets


def glue(name):
    def read(data, _seed):
        train, dev = (
            read_glue(data / "glue", name, split) for split in ("train", "dev")
        )
        return train, dev, dev

    return read


def conll2003(data, _seed):
    return tuple(
        read_conll(data / "ner/conll2003" / name)
        for name in ("eng.train", "eng.testa", "eng.testb")
    )


def squad(data, _seed):
    """The 48 articles of the development set: 40 to train on, 8 to report.

    The offsets of these answers are those of the first occurrence, so that to train on
    are those that occur once.
    """
    examples = read_squad(data / "squad/dev-v1.1.json")
    paragraphs = json.loads((data / "squad/dev-v1.1.json").read_text())["data"]
    article_of = {
        question["id"]: number
        for number, article in enumerate(paragraphs)
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    articles = [article_of[name] for name in examples.ids]
    train = [
        row
        for row, article in enumerate(articles)
        if article < 40
        and examples.contexts[row].count(examples.answers[row][0].text) == 1
    ]
    held_out = [row for row, article in enumerate(articles) if article >= 40]
    held_out = rows_of(examples, held_out)
    return rows_of(examples, train), held_out, held_out


def codah(data, fold):
    """A fifth to report, the rest to train on."""
    examples = read_codah(data / "codah/full_data.tsv")
    numbers = list(range(len(examples)))
    random.Random(0).shuffle(numbers)
    held_out = rows_of(examples, numbers[fold::5])
    others = [number for i, number in enumerate(numbers) if i % 5 != fold]
    return rows_of(examples, others), held_out, held_out


def wiki(data, _seed):
    """The first 6 MB of Wikipedia for Schools, and the 300 kB after them."""
    parts, sizes = ([], []), (6e6, 3e5)
    part, size = 0, 0
    for document in read_documents(data / "corpora/wiki_schools_2007.txt.xz"):
        parts[part].append(document)
        size += len(document)
        if size > sizes[part]:
            part, size = part + 1, 0
            if part == 2:
                break
    train, held_out = (TextExamples(part) for part in parts)
    return train, held_out, held_out


def rows_of(examples, rows):
    """Some of the examples."""
    lists = {f.name: getattr(examples, f.name) for f in dataclasses.fields(examples)}
    return dataclasses.replace(
        examples,
        **{
            name: [values[row] for row in rows]
            for name, values in lists.items()
            if values is not None
        },
    )


def classification(name, max_length, epochs, baseline=None, **changes):
    task = GLUE[name]
    baseline = baseline or partial(
        baselines.tfidf, metric=task.metrics[-1], labels=task.labels
    )
    fields = {"id2label": dict(enumerate(task.labels or ("score",)))}
    return Row(
        glue(name),
        SequenceClassification(metric_name=task.metrics[-1]),
        max_length,
        epochs,
        baseline,
        {**fields, "problem_type": task.problem_type},
        **changes,
    )


ROWS = {
    "sst2": classification("sst2", 64, 2),
    "cola": classification("cola", 64, 8),
    "mrpc": classification("mrpc", 128, 12),
    "rte": classification("rte", 192, 8),
    "stsb": classification("stsb", 96, 12, baselines.tfidf_cosine),
    "conll2003": Row(
        conll2003, TokenClassification(), 128, 12, baselines.most_frequent_tag
    ),
    "squad": Row(
        squad,
        QuestionAnswering(doc_stride=96),
        256,
        4,
        baselines.best_sentence,
    ),
    "codah": Row(
        codah,
        MultipleChoice(),
        64,
        6,
        baselines.endings,
        seeds=(0, 1, 2, 3, 4),
        hidden_share=0.0,
    ),
    "wiki": Row(
        wiki, MaskedLM(), 128, 4, baselines.unigram, seeds=(0,), hidden_share=0.0
    ),
}

# === Texts


def texts_of(examples):
    """All texts of examples of any kind."""
    for field in dataclasses.fields(examples):
        values = getattr(examples, field.name)
        if field.name in ("texts", "text_pairs", "contexts", "questions"):
            yield from values or ()
        elif field.name in ("words", "choices"):
            yield from (" ".join(row) for row in values)


def sentences(path):
    """Some of a file's, as texts without labels."""
    found = [
        sentence
        for document in read_documents(path)
        for sentence in re.split(r"(?<=[.!?])\s*(?=[A-Z])", document)
        if len(sentence.split()) in WORDS
    ]
    return TextExamples(random.Random(0).sample(found, SENTENCES))


# === Training


def start(row, train, unlabelled, teacher_folder):
    """The model, its tokenizer, and its teacher, which knows the same pieces."""
    texts = [*texts_of(train), *(texts_of(unlabelled) if unlabelled else ())]
    model_class, teacher = row.task.model_class, None
    if teacher_folder:
        tokenizer = SqueezeBertTokenizerFast.from_pretrained(teacher_folder)
        teacher = model_class.from_pretrained(teacher_folder)
        teacher, tokenizer, _ = prune_word_pieces(teacher, tokenizer, texts)
    else:
        tokenizer = SqueezeBertTokenizerFast(prune_vocabulary(None, texts))
    fields = {"max_position_embeddings": row.max_length, **row.fields}
    if isinstance(row.task, TokenClassification):
        fields["id2label"] = dict(enumerate(row.task.label_names(train)))
    config = scratch_config(
        tokenizer.vocab_size,
        preset=row.preset,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
        **fields,
    )
    return model_class(config), tokenizer, teacher


def train_float(row, splits, folder, seed, teacher_folder=None, unlabelled=None):
    """Trains a model and saves it."""
    keras.utils.set_random_seed(seed)
    train, choose_by, _ = splits
    model, tokenizer, teacher = start(row, train, unlabelled, teacher_folder)
    encode = partial(
        row.task.encode,
        tokenizer=tokenizer,
        config=model.config,
        max_length=row.max_length,
    )
    features = encode(train)
    if unlabelled:
        features = features.with_unlabelled(encode(unlabelled))
    if teacher:
        answers = folder.parent.parent / "answers"
        save_answers(teacher, features, answers)
        features = load_answers(features, answers)
        inherit_word_embeddings(model, teacher)
        model.distill_from(features.teacher, weight=0.9, temperature=2.0)
    recipe = Recipe(epochs=row.epochs, batch_size=64, learning_rate=1.5e-3, seed=seed)
    fit(row, model, tokenizer, features, choose_by, recipe, folder)


def fit(row, model, tokenizer, features, choose_by, recipe, folder):
    """Trains a model by a recipe, keeps its best epoch, and saves it."""
    hiding = None
    if row.hidden_share:
        hiding = Masking.hiding(tokenizer, row.hidden_share, recipe.seed)
    begun = time.monotonic()
    history = fine_tune(
        model,
        features,
        Evaluation(row.task, choose_by, tokenizer, model.config, row.max_length),
        recipe,
        folder=folder / "training",
        save_seconds=60,
        hiding=hiding,
        verbose=2,
    )
    model.distill_from(None)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    notes = {"seconds": time.monotonic() - begun, "history": history}
    write_json(folder / "training.json", notes)
    remove_state(folder / "training")


def quantized(row, model, tokenizer, train, scheme, seed):
    """A copy of the model, calibrated and trained on for int8."""
    keras.utils.set_random_seed(seed)
    chosen = random.Random(seed).sample(range(len(train)), len(train))
    some = rows_of(train, chosen[:QUANTIZATION_EXAMPLES])
    features = row.task.encode(some, tokenizer, model.config, row.max_length)
    copy = quantize_aware(model, scheme)
    seen = batches(features, batch_size=64, seed=seed)
    calibrate(copy, seen.take(CALIBRATION_BATCHES), progress=False)
    recipe = Recipe(epochs=1, batch_size=64, learning_rate=QUANTIZATION_RATE, seed=seed)
    fine_tune(copy, features, recipe=recipe, verbose=2)
    return copy


def measure(row, splits, folder, seed, forms=FORMS):
    """Makes those forms that results.json lacks, and adds what each of them reaches."""
    train, _, report = splits
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(folder / "float")
    model = row.task.model_class.from_pretrained(folder / "float")
    evaluation = Evaluation(row.task, report, tokenizer, model.config, row.max_length)
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for form in forms:
        if form in results:
            continue
        source = model
        if form != "float32":
            source = quantized(row, model, tokenizer, train, form, seed)
        file = folder / f"{form}.tflite"
        choices = {}
        if isinstance(row.task, MultipleChoice):
            choices = {"num_choices": len(train.choices[0])}
        export_tflite(source, file, row.max_length, tokenizer=tokenizer, **choices)
        figures = evaluation(LiteRTModel(file), progress=True)
        primary = evaluation.metric.primary
        results[form] = {
            "metric": primary,
            "score": figures[primary],
            "figures": figures,
            "examples": len(report),
            "bytes": file.stat().st_size,
        }
        write_json(path, results)
        click.echo(f"{folder} {form}: {primary} {figures[primary]:.4f}")


# === The table


def spread(scores):
    """Mean and range."""
    if len(set(scores)) == 1:
        return f"{scores[0]:.3f}"
    return f"{mean(scores):.3f} ({min(scores):.3f}–{max(scores):.3f})"


def print_table(output):
    """As Markdown: mean and range over the runs that there are, of each row."""
    head = ["", "metric", "without a network", *FORMS, "MB, mixed", "runs", "minutes"]
    click.echo("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for name in ROWS:
        runs = [
            (json.loads(path.read_text()), path.parent)
            for path in sorted((output / name).glob("*/results.json"))
        ]
        runs = [(run, folder) for run, folder in runs if set(FORMS) <= set(run)]
        if not runs:
            continue
        baselines_of = [
            json.loads((folder / "baseline.json").read_text()) for _, folder in runs
        ]
        seconds = mean(
            json.loads((folder / "float/training.json").read_text())["seconds"]
            for _, folder in runs
        )
        cells = [name, runs[0][0]["float32"]["metric"]]
        figure = spread([baseline["score"] for baseline in baselines_of])
        cells.append(f"{figure} ({baselines_of[0]['method']})")
        cells += [spread([run[form]["score"] for run, _ in runs]) for form in FORMS]
        cells.append(f"{mean(run['mixed']['bytes'] for run, _ in runs) / 1e6:.1f}")
        cells += [str(len(runs)), f"{seconds / 60:.0f}"]
        click.echo("| " + " | ".join(cells) + " |")


@click.command(help=__doc__)
@click.argument("data", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--output", required=True, type=click.Path(path_type=Path))
@click.option("--seeds", multiple=True, type=int, help="Default: those of the row.")
@click.option("--teacher", type=click.Path(file_okay=False), help="A model's folder.")
@click.option(
    "--unlabelled", help="A file of text, in DATA, for the teacher to answer."
)
def main(data, names, output, seeds, teacher, unlabelled):
    if unlabelled and not teacher:
        raise click.UsageError("--unlabelled is for a --teacher.")
    more = sentences(data / unlabelled) if unlabelled else None
    for name in names:
        row = ROWS[name]
        for seed in seeds or row.seeds:
            splits = row.read(data, seed)
            folder = output / name / str(seed)
            path = folder / "baseline.json"
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                method, score = row.baseline(splits[0], splits[2])
                write_json(path, {"method": method, "score": score})
                click.echo(f"{name} {seed}, {method}: {score:.4f}")
            if not (folder / "float" / "training.json").exists():
                train_float(row, splits, folder / "float", seed, teacher, more)
            measure(row, splits, folder, seed)
    print_table(output)


if __name__ == "__main__":
    main()

"""squeezebert prune-vocabulary: drops the word pieces that a corpus does not use."""

import itertools
import json
import math
import os
from pathlib import Path

import click

from keras_squeezebert.cli.options import as_json, text_column, text_pair_column
from keras_squeezebert.errors import InputError


@click.command()
@click.argument("model_dir", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--corpus",
    "corpora",
    required=True,
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Texts like those the model is to read: .csv or .tsv with a header, .jsonl, "
    "or .txt, a text a line, of any size. Repeat it for several files.",
)
@text_column
@text_pair_column
@click.option(
    "--min-count",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="How often the corpus must use a word piece for it to be kept.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False),
    help="Folder for the smaller model, another than MODEL_DIR.",
)
@as_json
def prune_vocabulary(
    model_dir, corpora, text_column, text_pair_column, min_count, output, as_json
):
    """Drop the word pieces that a corpus does not use from the model in MODEL_DIR.

    The embeddings of word pieces are nearly half of a base model. Those that the
    corpus uses are kept, with all single characters and special tokens, and text of
    kept pieces has the same answers as before. Words outside of the corpus are spelt
    with smaller pieces, which the model may understand less well: take a corpus with
    all the words that matter. MODEL_DIR is a model of any class, quantized or not.

    \b
    Examples:
      squeezebert prune-vocabulary my-model --corpus train.csv --output my-small
      squeezebert prune-vocabulary my-model --corpus a.txt --corpus b.txt \\
          --min-count 3 --output my-small
    """
    if os.path.exists(output) and os.path.samefile(model_dir, output):
        raise InputError(
            "What is pruned is lost: give another folder than that of the model. "
            f"Received: --output {output}"
        )
    from tqdm import tqdm

    from keras_squeezebert import SqueezeBertTokenizerFast
    from keras_squeezebert.models import prune_word_pieces

    tokenizer = SqueezeBertTokenizerFast.from_pretrained(model_dir)
    model = _model(model_dir)
    texts = itertools.chain.from_iterable(
        _texts(path, text_column, text_pair_column) for path in corpora
    )
    texts = tqdm(texts, desc="Counting word pieces", unit=" texts")
    pruned = prune_word_pieces(model, tokenizer, texts, min_count)
    _save(pruned, output)
    sizes = {
        "pieces": (tokenizer.vocab_size, pruned.tokenizer.vocab_size),
        "parameters": (_parameters(model), _parameters(pruned.model)),
        "bytes": (_weight_bytes(model_dir), _weight_bytes(output)),
    }
    if as_json:
        _print_json(sizes, pruned.kept_share)
    else:
        _print_table(sizes, pruned.kept_share, output)


# === Reading


def _texts(path, text_column, text_pair_column):
    """The texts of a file; those of a .txt as they are asked for."""
    if path.suffix.lower() == ".txt":
        return _lines(path)
    from keras_squeezebert.data import read_examples

    examples = read_examples(path, text_column, None, text_pair_column)
    return itertools.chain(examples.texts, examples.text_pairs or [])


def _lines(path):
    # As bytes, since text files do not tell the line that is not UTF-8.
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}, line {number}: save the file as UTF-8 text. Received: "
                    f"byte 0x{line[error.start]:02x} ({error.reason})"
                ) from None


def _model(folder):
    """The model in a folder, of the class whose weights it holds."""
    from keras_squeezebert import models
    from keras_squeezebert.converters.architecture import checkpoint_architecture
    from keras_squeezebert.converters.convert import check_head

    architecture = checkpoint_architecture(folder)
    if architecture is None:
        raise InputError(
            "The config does not tell which class's head the folder holds; `squeezebert"
            f" convert --task` writes one that does. Received: {folder}"
        )
    model = getattr(models, architecture).from_pretrained(folder)
    check_head(model, folder)
    return model


# === Writing


def _save(pruned, folder):
    """Writes model and tokenizer together, or neither."""
    from keras_squeezebert.files import atomic_folder
    from keras_squeezebert.quantization.scheme import QUANTIZATION_FILE
    from keras_squeezebert.tokenizers.folder import TOKENIZER_FILE

    with atomic_folder(folder, [QUANTIZATION_FILE, TOKENIZER_FILE]) as draft:
        pruned.model.save_pretrained(draft)
        pruned.tokenizer.save_pretrained(draft)


# === Report


def _parameters(model):
    from keras_squeezebert.models.pruning import stored_variables

    return sum(math.prod(v.shape) for v in stored_variables(model).values())


def _weight_bytes(folder):
    from keras_squeezebert.converters.readers import read_weights

    _, tensors = read_weights(folder)
    return sum(path.stat().st_size for path in {t.file for t in tensors.values()})


def _print_json(sizes, kept_share):
    values = {
        name: {"before": before, "after": after}
        for name, (before, after) in sizes.items()
    }
    click.echo(json.dumps({**values, "kept_share": kept_share}, indent=2))


def _print_table(sizes, kept_share, output):
    click.echo(f"  {'':12}{'before':>14}{'after':>14}")
    for name, (before, after) in sizes.items():
        click.echo(f"  {name:12}{before:14,}{after:14,}{after / before:8.1%}")
    click.echo(
        f"Of the corpus' tokens, {kept_share:.2%} are of pieces that were kept.\n"
        "Words outside of the corpus are now spelt with smaller pieces.\n"
        f"Saved {output}."
    )

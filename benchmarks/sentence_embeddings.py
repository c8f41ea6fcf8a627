"""How well mean-pooled embeddings tell the similarity of sentences, without training.

    python benchmarks/sentence_embeddings.py GLUE MODEL…

GLUE is the folder of its tasks, of which STS-B is read. A MODEL is a folder, the name
of a shipped model, or a .tflite of an encoder, whose output is averaged here as that
of Keras is: over all tokens that are not padding, the special ones too. The similarity
of two sentences is the cosine of their means.
"""

import json
import sys

import click
from scipy.stats import pearsonr, spearmanr

from keras_squeezebert import SqueezeBertModel, SqueezeBertTokenizerFast
from keras_squeezebert.data import read_glue
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import write_json
from keras_squeezebert.tasks import sentence_embeddings
from keras_squeezebert.tflite import LiteRTModel

LENGTH = 128


def correlations(source, examples):
    """Pearson's and Spearman's, of cosines and the scores that people gave."""
    if source.endswith(".tflite"):
        model = LiteRTModel(source)
        tokenizer, length = model.tokenizer, model.input_shape[-1]
    else:
        tokenizer, length = SqueezeBertTokenizerFast.from_pretrained(source), LENGTH
        model = SqueezeBertModel.from_pretrained(source)
    first, second = (
        sentence_embeddings(model, tokenizer, texts, max_length=length)
        for texts in (examples.texts, examples.text_pairs)
    )
    cosines = (first * second).sum(axis=-1)  # (pairs,)
    scores = [float(label) for label in examples.labels]
    return {
        "pearson": float(pearsonr(cosines, scores).statistic),
        "spearman": float(spearmanr(cosines, scores).statistic),
    }


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n", 1))
@click.argument("glue", type=click.Path(exists=True, file_okay=False))
@click.argument("models", nargs=-1, required=True)
@click.option("--split", default="dev", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False), help="Write JSON there.")
def main(glue, models, split, output):
    examples = read_glue(glue, "stsb", split)
    results = {}
    for model in models:
        results[model] = correlations(model, examples)
        click.echo(f"{model}: {json.dumps(results[model])}")
    if output:
        write_json(
            output,
            {"command": sys.argv, "pairs": len(examples), "stsb": results}
            | {"surroundings": surroundings()},
        )


if __name__ == "__main__":
    main()

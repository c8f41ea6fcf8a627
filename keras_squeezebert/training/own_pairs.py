"""own_pairs: pairs of a set's own texts, labelled by a model that reads them alone."""

from typing import Any

import numpy as np
from tqdm import tqdm

from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks.sentence_embeddings import sentence_embeddings
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast

# Of so many texts at most: each is compared with every other.
_LARGEST = 20_000


def own_pairs(
    model: Any,
    tokenizer: SqueezeBertTokenizerFast,
    examples: TextExamples,
    *,
    per_text: int = 10,
    seed: int = 0,
    max_length: int = 128,
    progress: bool = False,
) -> TextExamples:
    """Each text with some others, the nearer the likelier, and how similar they are.

    A head that reads two texts in one row has to learn to compare them, of which
    pretraining teaches nothing; a few thousand labelled pairs hardly do. The mean
    states of the very same model tell similar texts without any training: trained on
    these pairs first, the head knows that, and what people say then improves on it.

    Args:
        model: An encoder, as `sentence_embeddings` takes it.
        tokenizer: Its tokenizer.
        examples: Pairs of texts and numbers that tell how similar they are; of the
            numbers only the lowest and the highest are looked at.
        per_text: How many others each text meets, or fewer: drawn twice counts once. Of
            more than 20,000 texts so many are drawn.
        seed: Of what is drawn.
        max_length: Tokens at which a text is truncated to be compared.
        progress: Whether to show progress bars.

    Returns:
        Pairs whose label is that of the least similar for a cosine of 0, and that of
        the most similar for 1.

    Raises:
        InputError: The examples are no pairs, have no numbers, or fewer than two texts;
            `per_text` is less than 1.

    Example:
        >>> from keras_squeezebert import SqueezeBertModel
        >>> name = "squeezebert_small_en"
        >>> model = SqueezeBertModel.from_pretrained(name)
        >>> tokenizer = SqueezeBertTokenizerFast.from_pretrained(name)
        >>> texts, others = ["A cat sleeps.", "It rains."], ["A cat naps.", "Rain!"]
        >>> examples = TextExamples(texts, ["5.0", "4.5"], others)
        >>> pairs = own_pairs(model, tokenizer, examples, per_text=2)
        >>> {*pairs.texts, *pairs.text_pairs} == {*texts, *others}
        True

    Reference:
        The first step of Trans-Encoder, Liu et al. 2022, arXiv 2109.13059; Augmented
        SBERT, Thakur et al. 2021, arXiv 2010.08240, has the two the other way round.
    """
    if examples.text_pairs is None:
        raise InputError("Own pairs are for pairs of texts. Received: single texts")
    if per_text < 1:
        raise InputError(f"`per_text` must be 1 or more. Received: per_text={per_text}")
    values = examples.label_values()
    texts = sorted({*examples.texts, *examples.text_pairs})
    if len(texts) < 2:
        raise InputError(f"There must be two texts or more. Received: {len(texts)}")
    low, high = float(values.min()), float(values.max())
    rng = np.random.default_rng(seed)
    if len(texts) > _LARGEST:
        texts = [texts[row] for row in sorted(rng.permutation(len(texts))[:_LARGEST])]
    vectors = sentence_embeddings(
        model, tokenizer, texts, max_length=max_length, progress=progress
    )  # (texts, hidden)

    firsts, seconds, labels = [], [], []
    for number, vector in enumerate(tqdm(vectors, disable=not progress)):
        cosines = vectors @ vector  # (texts,)
        nearest = np.argsort(-cosines)
        nearest = nearest[nearest != number]
        # Of every order of magnitude of the rank as many: copies, kin and strangers.
        ranks = (len(nearest) ** rng.random(per_text)).astype(int) - 1
        for other in nearest[np.unique(ranks)]:
            first, second = rng.permutation([number, other])
            firsts.append(texts[first])
            seconds.append(texts[second])
            labels.append(str(low + (high - low) * float(cosines[other])))
    return TextExamples(firsts, labels, seconds)

"""What each task yields without a network, for benchmarks/tasks.py to stand beside.

Each function takes the examples to train on and those to report, and returns the name
of the method and the figure that models of the task are compared by.
"""

import re
from collections import Counter, defaultdict
from itertools import chain

import numpy as np
from scipy.sparse import hstack
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.metrics import METRICS
from keras_squeezebert.tokenizers.pruning import count_pieces, prune_vocabulary


def figure(name, labels, predictions):
    metric = METRICS[name]
    return metric.compute(labels, predictions)[metric.primary]


def fitted_tfidf(texts, **options):
    return TfidfVectorizer(sublinear_tf=True, min_df=2, **options).fit(texts)


# === Texts


def tfidf(train, report, metric, labels):
    """The better of the majority and of logistic regression on words and their pairs.

    Of two texts, on what both have and on what only one has.
    """
    vectorizer = fitted_tfidf(
        chain(train.texts, train.text_pairs or []), ngram_range=(1, 2)
    )

    def features(examples):
        first = vectorizer.transform(examples.texts)
        if examples.text_pairs is None:
            return first
        second = vectorizer.transform(examples.text_pairs)
        return hstack([first.multiply(second), abs(first - second)]).tocsr()

    def ids(examples):
        return np.array([labels.index(label) for label in examples.labels])

    methods = {
        "majority": DummyClassifier(),
        "TF-IDF": LogisticRegression(C=10, max_iter=1000),
    }
    scores = {}
    for name, model in methods.items():
        model.fit(features(train), ids(train))
        scores[name] = figure(metric, ids(report), model.predict(features(report)))
    return max(scores.items(), key=lambda item: item[1])


def tfidf_cosine(train, report):
    """The cosine of the two texts' words."""
    vectorizer = fitted_tfidf(chain(train.texts, train.text_pairs))
    first, second = map(vectorizer.transform, (report.texts, report.text_pairs))
    cosines = np.asarray(first.multiply(second).sum(axis=-1)).ravel()
    return "TF-IDF cosine", figure("pearson_spearman", report.label_values(), cosines)


# === Words


def most_frequent_tag(train, report):
    """For each word the tag that it most often has, O for one that is new."""
    tags = defaultdict(Counter)
    for words, of_words in zip(train.words, train.tags, strict=True):
        for word, tag in zip(words, of_words, strict=True):
            tags[word][tag] += 1
    best = {word: counts.most_common(1)[0][0] for word, counts in tags.items()}
    predicted = [[best.get(word, "O") for word in words] for words in report.words]
    return "most frequent tag", figure("entities", report.tags, predicted)


# === Questions and choices


def best_sentence(train, report):
    """The sentence that shares most with the question, words weighed by TF-IDF."""
    vectorizer = fitted_tfidf([*set(train.contexts), *train.questions])
    answers = []
    for question, context in zip(report.questions, report.contexts, strict=True):
        sentences = re.split(r"(?<=[.!?])\s+", context)
        shared = vectorizer.transform(sentences) @ vectorizer.transform([question]).T
        answers.append(sentences[int(shared.toarray().argmax())])
    expected = [[answer.text for answer in row] for row in report.answers]
    return "best sentence", figure("squad", expected, answers)


def endings(train, report):
    """Whether an ending is right by its own words: how much they give away."""
    vectorizer = fitted_tfidf(chain(*train.choices), ngram_range=(1, 2))
    rights = [
        choice == label
        for label, row in zip(train.labels, train.choices, strict=True)
        for choice in range(len(row))
    ]
    model = LogisticRegression(max_iter=1000)
    model.fit(vectorizer.transform(chain(*train.choices)), rights)
    chosen = [
        int(model.predict_proba(vectorizer.transform(row))[:, 1].argmax())
        for row in report.choices
    ]
    return "TF-IDF of endings", figure("accuracy", report.labels, chosen)


# === Word pieces


def unigram(train, report):
    """How often each piece is, and one more time for those that never were."""
    tokenizer = SqueezeBertTokenizerFast(prune_vocabulary(None, train.texts))
    seen, met = (count_pieces(tokenizer, split.texts) for split in (train, report))
    total = seen.total() + tokenizer.vocab_size
    loss = sum(-count * np.log((seen[i] + 1) / total) for i, count in met.items())
    return "unigram", figure("perplexity", [met.total()], [loss])

"""The TFLite Task Library: texts, or questions, on stdin to answers on stdout, as JSON.

.task-library/bin/python task_library.py classify MODEL.tflite
.task-library/bin/python task_library.py answer MODEL.tflite
"""

import json
import sys

from tflite_support.task import text


def classify(path, texts):
    """The best label and its score for each text."""
    classifier = text.BertNLClassifier.create_from_file(path)
    for one in texts:
        categories = classifier.classify(one).classifications[0].categories
        best = max(categories, key=lambda category: category.score)
        yield best.category_name, best.score


def answer(path, questions):
    """The first and last token of the answer to each [question, context], or None."""
    answerer = text.BertQuestionAnswerer.create_from_file(path)
    for question, context in questions:
        answers = answerer.answer(context, question).answers
        yield (answers[0].pos.start, answers[0].pos.end) if answers else None


def main(task, path):
    print(json.dumps(list(task(path, json.load(sys.stdin)))))


if __name__ == "__main__":
    main({"classify": classify, "answer": answer}[sys.argv[1]], sys.argv[2])

"""The golden file of the heads: texts, and what follows from a model's outputs.

    python tests/portable/golden_heads.py

writes it anew; README.md tells its format. The outputs are random numbers: no model is
needed to tell what follows from them.
"""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from random_texts import AWKWARD, SPECIAL

from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
from keras_squeezebert.data import (
    ChoiceExamples,
    QuestionExamples,
    TextExamples,
    TokenExamples,
)
from keras_squeezebert.tasks import (
    FillMask,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    entities,
    word_spans,
)
from keras_squeezebert.tasks.token_classification import are_of_entities

HEADS_FILE = Path(__file__).with_name("golden_heads.jsonl.gz")
CASES_OF_A_HEAD = 200

# A masked LM scores every piece, so that its vocabulary has to be small.
LETTERS = [*SPECIAL, *"abcdefghij!?", *(f"##{c}" for c in "abcdefghij"), "bad", "cab"]
TOKENIZERS = ("uncased", "letters")
WORDS = (
    *(
        "the",
        "of",
        "Oslo",
        "Ada",
        "U.S.",
        "unaffable",
        "café",
        "don't",
        "3.14",
        "(and)",
    ),
    *("Straße", "x_1", "½", "中文", "[MASK]", "a[SEP]b", "-", "...", "\u0301", "\x00"),
    "pneumonoultramicroscopicsilicovolcanoconiosis",
)


class Cases:
    """Random cases of each head, and what Python answers."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.tokenizers = [
            SqueezeBertTokenizerFast(),
            SqueezeBertTokenizerFast(LETTERS),
        ]

    def header(self):
        return {
            "vocabularies": {"letters": LETTERS},
            "tokenizers": [{"vocabulary": v, "options": {}} for v in TOKENIZERS],
        }

    def __iter__(self) -> Iterator[dict]:
        makers = (
            self._text,
            self._tags,
            self._question,
            self._choices,
            self._gaps,
        )
        for make in makers:
            for _ in range(CASES_OF_A_HEAD):
                yield make()

    # === Heads

    def _text(self):
        problem, labels = self.random.choice(
            [
                ("single_label_classification", ["no", "größer"]),
                ("single_label_classification", [f"label {i}" for i in range(9)]),
                ("multi_label_classification", ["a", "b", "c", "d"]),
                ("multi_label_classification", ["one"]),
                ("regression", ["stars"]),
            ]
        )
        asked = {"text": self._words(12)}
        pairs = None
        if self.random.random() < 0.4:
            asked["text_pair"] = self._words(6)
            pairs = [asked["text_pair"]]
        task = SequenceClassification(threshold=self.random.choice([0.3, 0.5]))
        return self._case(
            task,
            TextExamples([asked["text"]], None, pairs),
            asked,
            labels,
            {"logits": [len(labels)]},
            options={"threshold": task.threshold},
            max_length=self.random.choice([3, 8, 24]),
            problem_type=problem,
        )

    def _tags(self):
        labels = self.random.choice(
            [["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], ["NOUN", "VERB", "X"]]
        )
        text = self._words(14)
        spans = word_spans(text)
        words = [text[start:end] for start, end in spans]
        case = self._case(
            TokenClassification(),
            TokenExamples([words]),
            {"text": text},
            labels,
            {"logits": ["seq", len(labels)]},
            max_length=self.random.choice([3, 6, 16]),
        )
        case["answer"]["spans"] = spans
        config = SqueezeBertConfig(id2label=dict(enumerate(labels)))
        if are_of_entities(config):
            case["answer"]["entities"] = entities(text, spans, case["answer"])
        return case

    def _question(self):
        options = {
            "doc_stride": self.random.choice([0, 2, 4]),
            "max_question_length": self.random.choice([1, 5]),
            "max_answer_length": self.random.choice([1, 3, 30]),
            "n_best": self.random.choice([1, 3, 20]),
            "no_answer_threshold": self.random.choice([None, -2.0, 2.0]),
        }
        asked = {"question": self._words(6), "context": self._words(20)}
        return self._case(
            QuestionAnswering(**options),
            QuestionExamples(["0"], [asked["question"]], [asked["context"]]),
            asked,
            ["LABEL_0", "LABEL_1"],
            {"start_logits": ["seq"], "end_logits": ["seq"]},
            options=options,
            max_length=self.random.choice([14, 20]),
        )

    def _choices(self):
        count = self.random.randrange(2, 6)
        asked = {
            "context": self._words(6),
            "choices": [self._words(5) for _ in range(count)],
        }
        return self._case(
            MultipleChoice(),
            ChoiceExamples([asked["context"]], [asked["choices"]]),
            asked,
            ["LABEL_0", "LABEL_1"],
            # A file may take more choices than there are.
            {"logits": [count + self.random.choice([0, 2])]},
            max_length=self.random.choice([3, 16]),
        )

    def _gaps(self):
        letters = [*"abcdefghij", "bad", "[MASK]", "cab!", "zoo"]
        words = self.random.choices(letters, k=self.random.randrange(6))
        text = " ".join(["[MASK]", *words][:: self.random.choice([1, -1])])
        task = FillMask(top=self.random.choice([1, 5, 200]))
        return self._case(
            task,
            TextExamples([text]),
            {"text": text},
            ["LABEL_0", "LABEL_1"],
            {"logits": ["seq", len(LETTERS)]},
            tokenizer=1,
            options={"top": task.top},
            max_length=10,
            vocab_size=len(LETTERS),
            # So that some are equal: then the lower id comes first.
            digits=1,
        )

    # === Parts of a case

    def _case(
        self,
        task,
        examples,
        asked,
        labels,
        shapes,
        max_length,
        options=None,
        tokenizer=0,
        digits=4,
        **fields,
    ):
        config = SqueezeBertConfig(
            id2label=dict(enumerate(labels)),
            **{"vocab_size": 30522, **fields},
        )
        features = task.encode(examples, self.tokenizers[tokenizer], config, max_length)
        seq = features.inputs["input_ids"].shape[-1]
        ids, mask, types = (
            features.inputs[name].reshape(-1, seq)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        )
        outputs = {}
        for name, shape in shapes.items():
            shape = (len(features), *(seq if n == "seq" else n for n in shape))
            values = self.numbers.normal(0, 3, shape).round(digits)
            outputs[name] = values.astype("float32")
        condensed = task.condense(outputs, features, np.arange(len(features)))
        (answer,) = task.decode(condensed, features, examples, config)
        return {
            "head": task.architecture,
            "tokenizer": tokenizer,
            "config": {
                "model_type": "squeezebert",
                "architectures": [task.architecture],
                "id2label": dict(enumerate(labels)),
                "vocab_size": config.vocab_size,
                **(
                    {"problem_type": config.problem_type} if config.problem_type else {}
                ),
            },
            "max_length": max_length,
            "options": options or {},
            **asked,
            "rows": [
                {
                    "input_ids": ids[row, :length].tolist(),
                    "token_type_ids": types[row, :length].tolist(),
                }
                for row, length in enumerate(mask.sum(axis=-1))
            ],
            "outputs": [
                {
                    name: [round(float(x), digits) for x in values[row].flat]
                    for name, values in outputs.items()
                }
                for row in range(len(features))
            ],
            "answer": answer if isinstance(answer, dict) else {"gaps": answer},
        }

    def _words(self, most):
        count = self.random.randrange(most)
        words = self.random.choices([*WORDS, *WORDS, *AWKWARD], k=count)
        text = "".join(word + self.random.choice(["", " ", " "]) for word in words)
        return text if text.strip() else "a"


def heads_lines(seed: int = 0) -> Iterator[str]:
    """The lines of the file."""
    cases = Cases(seed)
    for value in (cases.header(), *cases):
        yield json.dumps(value, separators=(",", ":")) + "\n"


def main():
    lines = "".join(heads_lines())
    # Without the time, so that the same cases are the same bytes.
    HEADS_FILE.write_bytes(gzip.compress(lines.encode("ascii"), mtime=0))
    print(f"{len(lines)} bytes, {HEADS_FILE.stat().st_size} packed")


if __name__ == "__main__":
    main()

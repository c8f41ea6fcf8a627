"""The golden file: texts of every kind and the tokens that they must become.

    python tests/portable/golden.py

writes it anew; README.md tells its format.
"""

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from random_texts import AWKWARD, SPECIAL, RandomTexts

from keras_squeezebert import InputError
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast

GOLDEN_FILE = Path(__file__).with_name("golden.jsonl.gz")

# Overlapping: of those that start first the longest counts.
_OVERLAPPING = {
    "unk_token": "<unk>",
    "mask_token": "<unk>!",
    "sep_token": "-cd",
    "cls_token": "ab-",
    "pad_token": "é-",
    "model_max_length": 24,
}
SPELT_OUT = (*SPECIAL, *list(_OVERLAPPING.values())[:-1])
OPTIONS = (
    *(
        {
            "do_lower_case": lower,
            "strip_accents": strip,
            "tokenize_chinese_chars": chinese,
        }
        for lower in (True, False)
        for strip in (None, not lower)
        for chinese in (True, False)
    ),
    _OVERLAPPING,
)

TEXTS = (
    "",
    " \t\n",
    "\x00",
    "\u0301",
    "Unaffable!",
    "The quick brown fox jumps over the lazy dog.",
    "don't e.g., 3.14 (U.S.) $5 €5 -- a_b `c` ^d",
    "Élan naïve été ÉTÉ e\u0301te\u0301 Ångström",
    "q\u0323\u0307 q\u0307\u0323 \u1e69 s\u0307\u0323 \u0390 \u0344\u0323",
    "\u0301 a\u0301\u0301b \u20dd",
    "x\u0323\U0001d165y \U0001d15e\u0327 z\u0f73\u0334\u302e",
    # Of a source that becomes several values, the last ones move.
    "\U0001d15e\u1b44 \U0001d160\u1b44\u302e\u0334 \U0001d15e\u0334\u1b44",
    "straße STRA\u1e9eE \u0130stanbul \u01c5 ΟΔΟΣ",
    "\ufb01sh ½ … Ｆｕｌｌ ７",
    "中文a字é字 日本ご \ud55c\uad6d\uc5b4 \uf900\U0002f800",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 ok\U0001f44d\U0001f3fd! \u2764\ufe0f",
    "[MASK] a[SEP]b[MASK][CLS] é[UNK]é [mask] [SEP [PAD] [[MASK]]",
    "ab-cd <unk>!<unk> xab-c é-e\u0301-",
    "x" * 100 + " " + "y" * 101 + " z",
    "é" * 101 + "! " + "a\u0301" * 60 + "!",
    "a" * 5000 + " " + "\u0301\u0323" * 500,
    "\ufffd",
    "a\ufffdb \ufffd\ufffd c\U0001f600\ufffd\U0001f600\ufffd",
)


def tokenizers(seed: int) -> tuple[dict, RandomTexts]:
    """The first line of a file of cases, and what makes texts for its vocabulary."""
    texts = RandomTexts(seed, SPELT_OUT)
    header = {
        "vocabularies": {"characters": texts.vocabulary()},
        "tokenizers": [{"vocabulary": "uncased", "options": {}}]
        + [{"vocabulary": "characters", "options": options} for options in OPTIONS],
    }
    return header, texts


def questions(header: dict, texts: RandomTexts, seed: int) -> Iterator[dict]:
    """Endless random cases without their answers."""
    choose = random.Random(seed)
    while True:
        case = {
            "tokenizer": choose.randrange(len(header["tokenizers"])),
            "text": texts.text(),
        }
        if choose.random() < 0.3:
            case["text_pair"] = texts.text(choose.choice([2, 12]))
        if choose.random() < 0.4:
            case["max_length"] = choose.choice([3, 4, 5, 8, 13, 20])
            if choose.random() < 0.5:
                case["padding"] = "max_length"
            if choose.random() < 0.2:
                case["truncation"] = False
        yield case


def answered(header: dict, cases: Iterable[dict]) -> Iterator[dict]:
    """The cases with what `SqueezeBertTokenizerFast` gives."""
    built = [
        SqueezeBertTokenizerFast(
            header["vocabularies"].get(tokenizer["vocabulary"]), **tokenizer["options"]
        )
        for tokenizer in header["tokenizers"]
    ]
    for case in cases:
        yield case | _answer(built[case["tokenizer"]], case)


def _answer(tokenizer, case):
    arguments = {
        name: case[name]
        for name in ("max_length", "padding", "truncation")
        if name in case
    }
    try:
        outputs = tokenizer(
            case["text"],
            case.get("text_pair"),
            return_offsets_mapping=True,
            **arguments,
        )
    except InputError:
        return {"error": True}
    (mask,) = outputs["attention_mask"].tolist()
    return {
        "input_ids": outputs["input_ids"][0].tolist(),
        "token_type_ids": outputs["token_type_ids"][0].tolist(),
        "length": sum(mask),
        "offsets": outputs["offset_mapping"][0].reshape(-1).tolist(),
    }


def as_lines(header: dict, cases: Iterable[dict]) -> Iterator[str]:
    """A file of cases, line by line, in ASCII."""
    for value in (header, *cases):
        yield json.dumps(value, separators=(",", ":")) + "\n"


def read_golden() -> tuple[dict, list[dict]]:
    """The golden file's first line, and its cases."""
    with gzip.open(GOLDEN_FILE, "rt", encoding="ascii") as file:
        header, *cases = map(json.loads, file)
    return header, cases


def golden_questions(seed: int = 0, count: int = 6000) -> tuple[dict, list[dict]]:
    """The cases of the golden file: all texts above, a long one, and random ones."""
    header, texts = tokenizers(seed)
    every = range(len(header["tokenizers"]))
    cases = [{"tokenizer": t, "text": text} for t in every for text in TEXTS]
    cases += [{"tokenizer": 1, "text": text} for text in AWKWARD]
    long = " ".join(texts.text() for _ in range(120))
    cases += [{"tokenizer": 1, "text": long}]
    cases += [{"tokenizer": 2, "text": "short", "text_pair": long}]
    random_cases = questions(header, texts, seed)
    cases += [next(random_cases) for _ in range(count)]
    return header, cases


def main():
    header, cases = golden_questions()
    lines = "".join(as_lines(header, answered(header, cases)))
    # Without the time, so that the same cases are the same bytes.
    GOLDEN_FILE.write_bytes(gzip.compress(lines.encode("ascii"), mtime=0))
    print(
        f"{len(cases)} cases, {len(lines)} bytes, {GOLDEN_FILE.stat().st_size} packed"
    )


if __name__ == "__main__":
    main()

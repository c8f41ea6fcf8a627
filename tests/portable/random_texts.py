"""Random texts of all scripts, for comparing tokenizers with one another."""

import functools
import random
import unicodedata

from keras_squeezebert.tokenizers.vocabulary import BERT_UNCASED_VOCAB, read_vocabulary

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# What tokenizers are known to disagree on.
AWKWARD = (
    # Letters whose lower case or decomposition is several, and ones that have none.
    *"İıẞßΣςσŉǅǰΐﬁﬃ…½Ａ１ÀÉñçüſᾳᾼ≠≮\u212a\u212b",
    # Marks that stay, of several classes, and starters made of marks.
    *"\u302e\u302f\U0001d165\U0001d166\U0001d16d\U0001d15e\u1b44",
    *"\u0345\u0344\u0f73\u0334",
    # Spaces, and what only looks like one.
    *"\t\n\r\x0b\x0c\x1c\x85\xa0\u1680\u180e\u2003\u2028\u2029\u202f\u3000\u200b",
    # Controls, joiners, byte order marks, the ends of planes.
    *"\x00\x01\x7f\x9f\xad\u200c\u200d\u200f\u202e\u2060\ufe0f\ufeff\ufffe\uffff",
    *"\U0001fffe\U000e0001\U000e0100\U0010ffff",
    # Private use, among it what the tokenizer in the graph uses itself.
    *"\ue000\uf8ff\U000f0000\U00100000\U00100004\U00100005\U0010fffd",
    # Jamo, with and without the syllable they form.
    *"\u1100\u1161\u11a8\u1175\u11c2가각힣\uac1c",
    # Emoji in sequences, with digits before a keycap.
    "\U0001f469\u200d\U0001f4bb",
    "\U0001f44d\U0001f3fd",
    "\U0001f1e9\U0001f1ea",
    "1\ufe0f\u20e3",
    "\u2764\ufe0f",
    # Right to left, with points.
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",
    "\u0645\u064e\u0631\u062d\u064e\u0628\u064b\u0627",
    "नमस्ते",
    "สวัสดี",
    "中文",
    "日本ごカタガ",
    # Where UTF-16 has a lone surrogate, a tokenizer is to see this.
    *"\ufffd\ufffd\ufffd",
)


class RandomTexts:
    """Texts made of words, special tokens, marks and characters of every kind.

    Args:
        seed: Of the texts, and of the few thousand characters that they are made of.
        special: The special tokens to spell out now and then.

    Attributes:
        random: Of the seed; what a test draws beside the texts.
    """

    def __init__(self, seed, special=SPECIAL):
        self.random = random.Random(seed)
        self._special = special
        categories, marks = _characters()
        sample = self.random.sample
        self._groups = [sample(g, min(len(g), 80)) for g in categories]
        self._marks = sample(marks, 150)
        self._makers = {
            self._word: 6,
            self._group: 6,
            self._any: 2,
            self._accented: 4,
            self._awkward: 4,
            self._token: 2,
            self._long_word: 0.3,
        }

    def text(self, atoms=12):
        """A text of fewer than that many atoms."""
        makers, weights = zip(*self._makers.items(), strict=True)
        count = self.random.randrange(atoms)
        made = (make() for make in self.random.choices(makers, weights, k=count))
        return "".join(atom + self.random.choice(["", "", " "]) for atom in made)

    def vocabulary(self, words=2000):
        """Special tokens, some words, and nearly every character of the texts.

        With it few words are unknown, so that a wrong character shows.
        """
        drawn = {*"".join(AWKWARD), *self._marks, *map(chr, range(33, 127))}
        drawn = drawn.union(*self._groups)
        forms = {form for c in drawn for form in (c, c.lower(), c.upper())}
        spelt = {c for form in forms for c in form + unicodedata.normalize("NFD", form)}
        # Lines of a vocab.txt hold neither.
        spelt -= {"\r", "\n"}
        spelt -= set(self.random.sample(sorted(spelt), len(spelt) // 50))
        tokens = [*SPECIAL, *self._special, *sorted(spelt)]
        tokens += [f"##{c}" for c in sorted(spelt)]
        tokens += self.random.sample(_words(), words)
        return list(dict.fromkeys(tokens))

    def _word(self):
        word = self.random.choice(_words()).removeprefix("##")
        return self.random.choice([word, word.upper(), word.title()])

    def _group(self):
        group = self.random.choice(self._groups)
        return "".join(self.random.choices(group, k=self.random.randrange(1, 5)))

    def _any(self):
        code = self.random.randrange(0x110000 - 0x800)
        return chr(code if code < 0xD800 else code + 0x800)

    def _accented(self):
        base = self.random.choice([self._any, self._group, self._awkward, self._word])
        return base() + "".join(
            self.random.choices(self._marks, k=self.random.randrange(1, 6))
        )

    def _awkward(self):
        return "".join(self.random.choices(AWKWARD, k=self.random.randrange(1, 4)))

    def _token(self):
        token = self.random.choice(self._special)
        at = self.random.randrange(len(token))
        broken = token[:at] + self._awkward() + token[at:]
        return self.random.choice([token] * 3 + [token.lower(), token[1:], broken])

    def _long_word(self):
        # 100 characters are spelt, 101 are unknown; only what is left of them counts.
        length = self.random.choice([98, 99, 100, 130])
        body = self.random.choice(["a", "é", "字", "\U00010400", "a\u0301", "가"])
        return body * length + self.random.choice(["b", "\u0301", "!", "é", "\x00"])


@functools.cache
def _words():
    return [t for t in read_vocabulary(BERT_UNCASED_VOCAB) if t not in SPECIAL]


@functools.cache
def _characters():
    """All characters by category, and all that NFD may move past one another."""
    categories, marks = {}, []
    for character in map(chr, range(0x110000)):
        category = unicodedata.category(character)
        if category != "Cs":
            categories.setdefault(category, []).append(character)
        if unicodedata.combining(character) or category.startswith("M"):
            marks.append(character)
    return list(categories.values()), marks

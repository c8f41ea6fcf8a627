"""Examples of all tasks: their containers, readers of files, the shipped CLINC150."""

from keras_squeezebert.data.choice_examples import ChoiceExamples
from keras_squeezebert.data.clinc150 import OUT_OF_SCOPE, load_clinc150
from keras_squeezebert.data.conll import read_conll
from keras_squeezebert.data.documents import read_documents, read_paragraphs
from keras_squeezebert.data.examples import TextExamples, sorted_labels
from keras_squeezebert.data.glue import GLUE, read_glue
from keras_squeezebert.data.hub import read_dataset
from keras_squeezebert.data.iob import to_iob2
from keras_squeezebert.data.question_examples import Answer, QuestionExamples
from keras_squeezebert.data.squad import read_squad
from keras_squeezebert.data.swag import read_codah, read_swag
from keras_squeezebert.data.tables import read_choices, read_examples, read_tokens
from keras_squeezebert.data.token_examples import TokenExamples

__all__ = [
    "GLUE",
    "OUT_OF_SCOPE",
    "Answer",
    "ChoiceExamples",
    "QuestionExamples",
    "TextExamples",
    "TokenExamples",
    "load_clinc150",
    "read_choices",
    "read_codah",
    "read_conll",
    "read_dataset",
    "read_documents",
    "read_examples",
    "read_glue",
    "read_paragraphs",
    "read_squad",
    "read_swag",
    "read_tokens",
    "sorted_labels",
    "to_iob2",
]

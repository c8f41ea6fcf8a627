"""Tasks: from examples to what a model takes, and from what it gives to answers.

    features = task.encode(examples, tokenizer, model.config)
    outputs = model_outputs(task, model, features)  # of Keras, or of a .tflite
    answers = task.decode(outputs, features, examples, model.config)
    task.score(examples, answers, model.config)

is the same for every head.
"""

from keras_squeezebert.tasks.evaluation import Evaluation
from keras_squeezebert.tasks.features import Features
from keras_squeezebert.tasks.fill_mask import FillMask
from keras_squeezebert.tasks.masked_lm import MaskedLM
from keras_squeezebert.tasks.multiple_choice import MultipleChoice
from keras_squeezebert.tasks.question_answering import QuestionAnswering
from keras_squeezebert.tasks.run import example_outputs, model_outputs
from keras_squeezebert.tasks.sentence_embeddings import sentence_embeddings
from keras_squeezebert.tasks.sequence_classification import SequenceClassification
from keras_squeezebert.tasks.task import Task
from keras_squeezebert.tasks.token_classification import (
    TokenClassification,
    entities,
    word_spans,
)

__all__ = [
    "Evaluation",
    "Features",
    "FillMask",
    "MaskedLM",
    "MultipleChoice",
    "QuestionAnswering",
    "SequenceClassification",
    "Task",
    "TokenClassification",
    "entities",
    "example_outputs",
    "model_outputs",
    "sentence_embeddings",
    "word_spans",
]

"""SqueezeBertModel, its five task models, text in front of them, and pruning."""

from keras_squeezebert.models.masked_lm import SqueezeBertForMaskedLM
from keras_squeezebert.models.model import SqueezeBertModel
from keras_squeezebert.models.multiple_choice import SqueezeBertForMultipleChoice
from keras_squeezebert.models.pruning import prune_word_pieces
from keras_squeezebert.models.question_answering import (
    SqueezeBertForQuestionAnswering,
)
from keras_squeezebert.models.sequence_classification import (
    SqueezeBertForSequenceClassification,
)
from keras_squeezebert.models.text_model import text_model
from keras_squeezebert.models.token_classification import (
    SqueezeBertForTokenClassification,
)

__all__ = [
    "SqueezeBertForMaskedLM",
    "SqueezeBertForMultipleChoice",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForSequenceClassification",
    "SqueezeBertForTokenClassification",
    "SqueezeBertModel",
    "prune_word_pieces",
    "text_model",
]

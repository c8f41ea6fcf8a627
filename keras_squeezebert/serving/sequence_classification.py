"""The labels, or the number, of a text or a pair of texts."""

import tensorflow as tf

from keras_squeezebert.labels import problem_type
from keras_squeezebert.serving.text_head import TextHead, strings


class ServedSequenceClassification(TextHead):
    """What `tasks.SequenceClassification` says of texts.

    Gives, by `config.problem_type`,

    - of one of several labels: `label`, string (batch,); its `score`, and the `scores`
      of all labels in the order of their ids, float (batch,) and (batch, labels);
    - of any number of labels: the `scores` of all, float (batch, labels);
    - of a regression: `value`, float (batch,).

    Args:
        model: A `SqueezeBertForSequenceClassification`.
        tokenizer: A `SqueezeBertTokenizer`.
        pairs: Whether it takes a second text, `text_pair`.
    """

    def __init__(self, model, tokenizer, pairs=False):
        super().__init__(model, tokenizer)
        if pairs:
            self.inputs = {**self.inputs, "text_pair": strings(None)}

    def __call__(self, text, text_pair=None):
        logits = self.model(self.tokenizer(text, text_pair))  # (batch, labels)
        logits = tf.cast(logits, tf.float32)
        problem = problem_type(self.config)
        if problem == "regression":
            return {"value": logits[:, 0]}
        if problem == "multi_label_classification":
            return {"scores": tf.sigmoid(logits)}
        scores = tf.nn.softmax(logits)
        return {
            "label": tf.gather(label_names(self.config), tf.argmax(logits, axis=-1)),
            "score": tf.reduce_max(scores, axis=-1),
            "scores": scores,
        }


def label_names(config):
    """String (labels,), in the order of their ids."""
    return tf.constant(list(config.id2label.values()))

"""Which of several continuations of a text fits best."""

import tensorflow as tf

from keras_squeezebert.serving.text_head import TextHead, strings


class ServedMultipleChoice(TextHead):
    """What `tasks.MultipleChoice` says of a context and its choices.

    Contexts that run together have as many choices; a server fills up those of the
    others with empty strings, which are no choices and score 0.

    Gives `choice`, the number of the best, int (batch,); its `score`, and all `scores`,
    float (batch,) and (batch, choices).
    """

    inputs = {"context": strings(None), "choices": strings(None, None)}

    def __call__(self, context, choices):
        shape = tf.shape(choices)  # (batch, choices)
        tokens = self.tokenizer(tf.repeat(context, shape[1]), tf.reshape(choices, [-1]))
        tokens = {
            name: tf.reshape(ids, tf.concat([shape, tf.shape(ids)[1:]], axis=0))
            for name, ids in tokens.items()
        }  # (batch, choices, seq)
        logits = tf.cast(self.model(tokens), tf.float32)  # (batch, choices)
        logits = tf.where(choices == "", logits.dtype.min, logits)
        scores = tf.nn.softmax(logits)
        return {
            "choice": tf.argmax(logits, axis=-1, output_type=tf.int32),
            "score": tf.reduce_max(scores, axis=-1),
            "scores": scores,
        }

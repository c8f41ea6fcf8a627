"""What may stand where a text has [MASK]."""

import tensorflow as tf

from keras_squeezebert.serving.text_head import TextHead


class ServedMaskedLM(TextHead):
    """What `tasks.FillMask` says of a text.

    Gives the likeliest word pieces of each gap, the best first: `tokens`, string, and
    their `scores`, float, (batch, gaps, top) each. A text with fewer gaps than another
    of the batch has "" and 0 for the rest.

    Args:
        model: A `SqueezeBertForMaskedLM`.
        tokenizer: A `SqueezeBertTokenizer`.
        top: How many pieces to tell.
    """

    def __init__(self, model, tokenizer, top=5):
        super().__init__(model, tokenizer)
        self.top = min(top, self.config.vocab_size)

    def __call__(self, text):
        tokens = self.tokenizer(text)
        hidden = self.model.transformer(tokens)["last_hidden_state"]
        gaps = tf.equal(tokens["input_ids"], self.tokenizer.mask_token_id)
        # Of the gaps alone: the scores of all pieces everywhere would fill the memory.
        logits = self.model.predictions(tf.boolean_mask(hidden, gaps)[None])[0]
        scores = tf.nn.softmax(tf.cast(logits, tf.float32))  # (all gaps, vocabulary)
        scores, ids = tf.math.top_k(scores, self.top)  # (all gaps, top)
        pieces = tf.gather(tf.constant(self.tokenizer.vocabulary), ids)
        counts = tf.reduce_sum(tf.cast(gaps, tf.int32), axis=-1)  # (batch,)
        return {
            name: tf.RaggedTensor.from_row_lengths(values, counts).to_tensor(
                shape=(None, None, self.top)
            )
            for name, values in (("tokens", pieces), ("scores", scores))
        }

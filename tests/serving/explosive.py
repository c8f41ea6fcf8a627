"""A SavedModel of text that fails at some of it, and is loaded in no time."""

import tensorflow as tf


class Explosive(tf.Module):
    """Gives the number of bytes of a text; fails at "boom", has no number for "nan"."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def __call__(self, text):
        is_fine = tf.reduce_all(text != "boom")
        with tf.control_dependencies([tf.debugging.Assert(is_fine, ["it went off"])]):
            length = tf.cast(tf.strings.length(text), tf.float32)
        return {"length": tf.where(text == "nan", float("nan"), length)}


def write_explosive(folder):
    model = Explosive()
    signature = model.__call__.get_concrete_function()
    tf.saved_model.save(model, str(folder), {"serving_default": signature})
    return folder

"""Strings in, labels out, as one Keras model: train it, save it, export the encoder.

    python examples/text_in_the_graph.py

Trains on a few intents of CLINC150 in about a minute.
"""

import keras
import tensorflow as tf

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizer,
    text_model,
)
from keras_squeezebert.data import load_clinc150
from keras_squeezebert.tflite import LiteRTModel, export_tflite

INTENTS = ["alarm", "weather", "translate", "play_music"]

keras.utils.set_random_seed(0)

# === Data: strings and ints, nothing tokenized beforehand
train = load_clinc150("train")
pairs = [
    (text, INTENTS.index(label))
    for text, label in zip(train.texts, train.labels, strict=True)
    if label in INTENTS
]
texts, labels = map(list, zip(*pairs, strict=True))
dataset = tf.data.Dataset.from_tensor_slices((texts, labels))
dataset = dataset.shuffle(len(texts), seed=0).batch(16)

# === Model: tokenizer → SqueezeBERT → head
config = SqueezeBertConfig(
    hidden_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=512,
    initializer_range=0.05,
    id2label=dict(enumerate(INTENTS)),
)
classifier = SqueezeBertForSequenceClassification(config)
tokenizer = SqueezeBertTokenizer(max_length=32, padding="max_length")
model = text_model(classifier, tokenizer)
model.compile(
    optimizer=keras.optimizers.AdamW(1e-3),
    loss=classifier.loss,
    metrics=["accuracy"],
    jit_compile=False,
)
model.fit(dataset, epochs=3)

query = "will it rain in paris tomorrow"
logits = model.predict(tf.constant([query]), verbose=0)
print(f"Keras:   {query!r} is {config.id2label[int(logits[0].argmax())]!r}")

# === Phone: the classifier takes ids; the file carries the vocabulary for LiteRTModel
path = export_tflite(
    classifier, "intents.tflite", 32, quantization="dynamic_ptq", tokenizer=tokenizer
)
logits = LiteRTModel(path).predict([query])["logits"]
print(f"LiteRT:  {query!r} is {config.id2label[int(logits[0].argmax())]!r}")

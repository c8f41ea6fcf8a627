"""Pretraining: from plain text to an encoder, on any Keras backend.

cache = TokenCache.write(folder, files, tokenizer)   # text → sentences of pieces
pretrain(model, cache, tokenizer, recipe)            # → rows → batches → weights
"""

from keras_squeezebert.pretraining.cache import TokenCache
from keras_squeezebert.pretraining.pretrain import pretrain
from keras_squeezebert.pretraining.recipe import Phase, PretrainingRecipe

__all__ = ["Phase", "PretrainingRecipe", "TokenCache", "pretrain"]

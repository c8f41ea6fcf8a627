"""Quantized models that several tests look at and none changes."""

import pytest
from tiny import ONE_LAYER, WITHOUT_DROPOUT, inputs_for, make_model

from keras_squeezebert.tflite import calibrate, quantize_aware

CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)


@pytest.fixture(scope="session")
def calibrated():
    """Gives a model and its calibrated copy, by the name of the class."""
    made = {}

    def give(architecture="SqueezeBertForSequenceClassification"):
        if architecture not in made:
            model = make_model(architecture, CALM)
            quantized = quantize_aware(model)
            batches = [inputs_for(architecture, seed) for seed in range(3)]
            calibrate(quantized, batches, progress=False)
            made[architecture] = model, quantized
        return made[architecture]

    return give

"""Quantized models that several tests look at and none changes."""

import pytest
from tiny import ONE_LAYER, WITHOUT_DROPOUT, inputs_for, make_model

from keras_squeezebert.tflite import calibrate, quantize_aware

CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)


@pytest.fixture(scope="session")
def calibrated():
    """Gives a model and its calibrated copy, by the names of class and scheme."""
    models, copies = {}, {}

    def give(architecture="SqueezeBertForSequenceClassification", scheme="mixed"):
        if architecture not in models:
            models[architecture] = make_model(architecture, CALM)
        key = architecture, scheme
        if key not in copies:
            copies[key] = quantize_aware(models[architecture], scheme)
            batches = [inputs_for(architecture, seed) for seed in range(3)]
            calibrate(copies[key], batches, progress=False)
        return models[architecture], copies[key]

    return give

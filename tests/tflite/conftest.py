import pytest
from tiny import CONFIG, ONE_LAYER, inputs_for, make_model

from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite import calibrate, export_tflite, quantize_aware

# Exports take seconds each: a file is made once, by all of its arguments.
SEQUENCE_LENGTH = 8
NUM_CHOICES = 3


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Gives a model and the .tflite of it."""
    folder, models, paths = tmp_path_factory.mktemp("exports"), {}, {}

    def export(
        architecture="SqueezeBertForSequenceClassification",
        quantization="float32",
        layers=1,
        batch_size=1,
        output_type="float32",
    ):
        scheme = quantization if quantization in SCHEMES else None
        key = (architecture, layers, scheme)
        if key not in models:
            config = ONE_LAYER if layers == 1 else CONFIG
            models[key] = make_model(architecture, config)
            if scheme:
                models[key] = quantize_aware(models[key], scheme)
                batches = [inputs_for(architecture, seed, seq=8) for seed in range(4)]
                calibrate(models[key], batches, progress=False)
        key = (*key, quantization, batch_size, output_type)
        if key not in paths:
            choices = NUM_CHOICES if architecture.endswith("MultipleChoice") else None
            paths[key] = export_tflite(
                models[key[:3]],
                folder / f"{'-'.join(map(str, key))}.tflite",
                SEQUENCE_LENGTH,
                quantization=quantization,
                batch_size=batch_size,
                num_choices=choices,
                output_type=output_type,
            )
        return models[key[:3]], paths[key]

    return export

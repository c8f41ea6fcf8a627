"""The model in TensorFlow Serving: strings in, answers out."""

from keras_squeezebert.serving.export import export_saved_model
from keras_squeezebert.serving.server_files import docker_command, model_name
from keras_squeezebert.serving.signatures import signatures, text_head

__all__ = [
    "docker_command",
    "export_saved_model",
    "model_name",
    "signatures",
    "text_head",
]

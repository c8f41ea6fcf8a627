"""The model in TensorFlow Serving: strings in, answers out."""

from keras_squeezebert.serving.export import export_saved_model
from keras_squeezebert.serving.server_files import docker_command
from keras_squeezebert.serving.signatures import signatures

__all__ = ["docker_command", "export_saved_model", "signatures"]

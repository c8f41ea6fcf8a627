"""A server for a developer's desk, with TF Serving's REST API."""

from keras_squeezebert.serving.rest.app import Limits, rest_app

__all__ = ["Limits", "rest_app"]

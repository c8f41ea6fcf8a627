"""Files of any size scored by a served model, on any runner of Apache Beam."""

from keras_squeezebert.beam.handler import SavedModelHandler, Unanswered
from keras_squeezebert.beam.scoring import ScoreFiles, ScoreLines

__all__ = ["SavedModelHandler", "ScoreFiles", "ScoreLines", "Unanswered"]

"""What labels are to a model: the one that does not count, and what is asked."""

from keras_squeezebert.config import SqueezeBertConfig

IGNORED_LABEL = -100


def problem_type(config: SqueezeBertConfig) -> str:
    """The problem type that the config of a classifier names, or else implies.

    Example:
        >>> problem_type(SqueezeBertConfig(id2label={0: "stars"}))
        'regression'
    """
    implied = "regression" if config.num_labels == 1 else "single_label_classification"
    return config.problem_type or implied

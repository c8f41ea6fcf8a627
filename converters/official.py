"""The three checkpoints that SqueezeBERT's authors published, as data."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class OfficialCheckpoint:
    """What one of the authors' checkpoints holds. Its config.json does not tell.

    Args:
        name: Its id on the Hugging Face Hub.
        architecture: The class whose weights it has, all but those it `lacks`.
        dtype: Of the stored weights.
        lacks: Parts of that class that it does not hold.
        purpose: What its authors published it for.
    """

    name: str
    architecture: str
    dtype: str
    lacks: tuple[str, ...]
    purpose: str


OFFICIAL_CHECKPOINTS = {
    checkpoint.name: checkpoint
    for checkpoint in (
        OfficialCheckpoint(
            name="squeezebert/squeezebert-uncased",
            architecture="SqueezeBertForMaskedLM",
            dtype="float16",
            lacks=(),
            purpose="pretrained on masked words and sentence order; to start token "
            "classification or question answering from",
        ),
        OfficialCheckpoint(
            name="squeezebert/squeezebert-mnli",
            architecture="SqueezeBertForSequenceClassification",
            dtype="float32",
            lacks=(),
            purpose="fine-tuned on MNLI, three labels whose order it does not tell",
        ),
        OfficialCheckpoint(
            name="squeezebert/squeezebert-mnli-headless",
            architecture="SqueezeBertModel",
            dtype="float32",
            lacks=("pooler",),
            purpose="fine-tuned on MNLI, its head removed; what its authors recommend "
            "to start sequence classification from",
        ),
    )
}


def official_checkpoint(source: str | os.PathLike) -> OfficialCheckpoint | None:
    """What is known of a source, if it is the Hub id of an official checkpoint.

    Example:
        >>> official_checkpoint("squeezebert/squeezebert-mnli-headless").lacks
        ('pooler',)
    """
    return OFFICIAL_CHECKPOINTS.get(str(source))

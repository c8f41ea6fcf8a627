"""LoadReport: what became of each weight when a checkpoint was loaded."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoadReport:
    """What became of each weight, as a value; `str` of it is for people.

    Args:
        source: What was loaded.
        loaded: Our variables that were read, each with the key it was read from.
        initialized: Our variables that keep their random initial values, each with
            the reason.
        ignored: Keys of the checkpoint that were not read, each with the reason.
        advice: What its authors say of an official checkpoint; or empty.

    Example:
        >>> print(LoadReport(
        ...     source="reviews",
        ...     loaded={"pooler/dense/bias": "transformer.pooler.dense.bias"},
        ...     initialized={"classifier/bias": "not in the checkpoint"},
        ...     ignored={"embeddings.position_ids": "a list of positions"},
        ... ))
        reviews: 1 weight loaded, 1 newly initialised, 1 ignored
          newly initialised:
            classifier/bias (not in the checkpoint)
          ignored:
            embeddings.position_ids (a list of positions)
    """

    source: str = ""
    loaded: dict[str, str] = field(default_factory=dict)
    initialized: dict[str, str] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)
    advice: str = ""

    def __str__(self):
        count = len(self.loaded)
        summary = f"{self.source}: {count} weight{'s' * (count != 1)} loaded"
        lines = []
        for kind, weights in (
            ("newly initialised", self.initialized),
            ("ignored", self.ignored),
        ):
            if weights:
                summary += f", {len(weights)} {kind}"
                lines.append(f"  {kind}:")
                lines += [f"    {name} ({why})" for name, why in weights.items()]
        if self.advice:
            lines.append(f"  {self.advice}")
        return "\n".join([summary, *lines])

"""ChoiceExamples: a context, and several continuations of which one is right."""

from dataclasses import dataclass

from keras_squeezebert.data.checks import (
    check_as_many,
    check_lists_of_strings,
    check_strings,
)
from keras_squeezebert.errors import InputError


@dataclass(frozen=True)
class ChoiceExamples:
    """Parallel lists of contexts, of their choices, and of which choice is right.

    All examples have the same number of choices, since the models take them as arrays
    (batch, choices, seq) and have no mask for a choice that is not there.

    Args:
        contexts: The text before the choices, one for each example.
        choices: The choices of each example, two or more.
        labels: The index of the right choice, from 0, for each example; or None where
            it is not known.

    Raises:
        InputError: Something other than these types, lists of different lengths,
            another number of choices than in the first example, or an index of none.

    Example:
        >>> examples = ChoiceExamples(["She opened"], [["the door.", "a rain."]], [0])
        >>> len(examples), examples.choices[0][examples.labels[0]]
        (1, 'the door.')
    """

    contexts: list[str]
    choices: list[list[str]]
    labels: list[int] | None = None

    def __post_init__(self):
        check_strings("contexts", self.contexts)
        check_lists_of_strings("choices", self.choices)
        check_as_many("choices", self.choices, "contexts", self.contexts)
        for row, choices in enumerate(self.choices):
            if len(choices) < 2 or len(choices) != len(self.choices[0]):
                raise InputError(
                    "Examples must have two choices or more, and all as many as the "
                    f"first, which has {len(self.choices[0])}. Received: "
                    f"{len(choices)} in choices[{row}]"
                )
        if self.labels is not None:
            self._check_labels()

    def _check_labels(self):
        if not isinstance(self.labels, list):
            raise InputError(
                "`labels` must be a list of indices of choices. Received: "
                f"{type(self.labels).__name__}"
            )
        check_as_many("labels", self.labels, "contexts", self.contexts)
        for row, label in enumerate(self.labels):
            # A bool is an int to Python, but `True` names no choice.
            is_index = isinstance(label, int) and not isinstance(label, bool)
            if not is_index or not 0 <= label < len(self.choices[row]):
                raise InputError(
                    "`labels` must be indices of choices, from 0 to "
                    f"{len(self.choices[row]) - 1}. Received: labels[{row}]={label!r}"
                )

    def __len__(self) -> int:
        return len(self.contexts)

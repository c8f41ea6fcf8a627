"""HEADS: the heads as the command line knows them, with the options of each."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from keras_squeezebert.cli.options import (
    HeadOption,
    label_column,
    text_column,
    text_pair_column,
)
from keras_squeezebert.cli.readers import (
    glue_task,
    is_dataset,
    read_contexts,
    read_paragraphs,
    read_questions,
    read_texts,
    read_words,
    split_of_glue,
)
from keras_squeezebert.errors import InputError

# Values of options, by the names of their parameters.
Values = dict[str, Any]


@dataclass(frozen=True)
class Head:
    """A head of SqueezeBERT, as the commands know it.

    Args:
        name: Its name on the command line.
        architecture: Its model class.
        summary: What it does, in a line.
        container: The class in `keras_squeezebert.data` of its examples.
        labels: Their field of what is to be learnt; None where the texts are that.
        reader: A function of a path, the options' values, the split and whether there
            are labels, which returns the examples.
        data_options: How its data is read.
        task_options: Fields of its `Task`, by whose names their values go.
        predict_options: Those that matter to `predict`, and what it takes beside texts.
        serve_options: Those that matter to a SavedModel.
        implied: A function of the values and the data's path: fields that follow from
            them.
        max_length: Tokens of a row unless told otherwise; None is all a model takes.
    """

    name: str
    architecture: str
    summary: str
    container: str
    labels: str | None
    reader: Callable
    data_options: tuple[HeadOption, ...] = ()
    task_options: tuple[HeadOption, ...] = ()
    predict_options: tuple[HeadOption, ...] = ()
    serve_options: tuple[HeadOption, ...] = ()
    implied: Callable[[Values, Any], Values] = lambda values, path: {}
    max_length: int | None = None

    @property
    def options(self) -> tuple[HeadOption, ...]:
        """Those of a command that has data."""
        return self.data_options + self.task_options

    def read(
        self,
        path: str | os.PathLike,
        values: Values,
        split: str = "dev",
        labelled: bool = True,
    ) -> Any:
        """The examples of a file, or of a data set by its name.

        Args:
            path: The file; the folder of all tasks with `--glue`; or, of what there is
                no file, a name that `read_dataset` knows.
            values: Values of the head's options.
            split: "train", "dev" or "test", of a data set that has splits: by `--glue`,
                or by its name.
            labelled: Whether a table has a column of labels.

        Raises:
            InputError: The data cannot be read, or is for another head.
        """
        from keras_squeezebert import data

        if is_dataset(path):
            split = split_of_glue(glue_task(values, path), split)
            examples = data.read_dataset(str(path), split)
        else:
            examples = self.reader(Path(path), values, split, labelled)
        if not isinstance(examples, getattr(data, self.container)):
            raise InputError(
                f"The data must be {self.container}, for {self.name}. Received: {path}"
                f", which is {type(examples).__name__}"
            )
        return examples

    def task(self, values: Values, path: str | os.PathLike | None = None) -> Any:
        """The head's `Task`, by the values of those of its options that there are.

        Args:
            values: They, by name.
            path: Of the data, if there are some: a data set can have its own metric.
        """
        from keras_squeezebert import tasks

        given = {option.name: values.get(option.name) for option in self.task_options}
        given = {name: value for name, value in given.items() if value is not None}
        task_class = getattr(tasks, self.architecture.removeprefix("SqueezeBertFor"))
        return task_class(**{**self.implied(values, path), **given})

    def serving(self, values: Values) -> Values:
        """Options of the head's class in `serving/`, by the values of the command's."""
        if self.name == "question-answering":
            return {"task": self.task(values)}
        return {option.name: values[option.name] for option in self.serve_options}

    def row_length(self, most: int, asked_for: int | None = None) -> int:
        """Tokens of a row.

        Args:
            most: What the model takes.
            asked_for: What the user wants; None is all of that, or the head's own.

        Raises:
            InputError: It is more than the model takes.
        """
        if asked_for is None:
            return min(most, self.max_length or most)
        if asked_for > most:
            raise InputError(
                f"The model takes at most {most} tokens. Received: "
                f"--max-length={asked_for}"
            )
        return asked_for

    def are_labelled(self, examples: Any) -> bool:
        """Whether answers to these examples can be scored."""
        return self.labels is None or getattr(examples, self.labels) is not None


def check_cut(source: Any, max_length: int | None) -> None:
    """Refuses a length of rows for a model that cuts its texts itself.

    Raises:
        InputError: The `LoadedModel` does so, at another length.
    """
    from keras_squeezebert.tflite import LiteRTTextModel

    is_asked_for = max_length not in (None, source.max_length)
    if is_asked_for and isinstance(source.model, LiteRTTextModel):
        raise InputError(
            f"This .tflite takes text and cuts it at {source.max_length} tokens; "
            "another needs another --sequence-length of `squeezebert export`. "
            f"Received: --max-length={max_length}"
        )


def head_of(architecture: str) -> Head:
    """The head whose model class has this name.

    Raises:
        InputError: There is none.
    """
    for head in HEADS.values():
        if head.architecture == architecture:
            return head
    raise InputError(
        f"The model must have a head: {', '.join(HEADS)}. Received: {architecture}"
    )


# === Options


def all_head_options(command: Callable) -> Callable:
    """The options of all heads, for commands that learn the head from the model."""
    return _with_options(command, lambda head: head.options)


def all_predict_options(command: Callable) -> Callable:
    """The options of `predict`, which has no data."""
    return _with_options(command, lambda head: head.predict_options)


def all_serve_options(command: Callable) -> Callable:
    """The options of `export`, of a SavedModel."""
    return _with_options(command, lambda head: head.serve_options)


def _with_options(command, options_of):
    options = dict.fromkeys(o for head in HEADS.values() for o in options_of(head))
    for option in reversed(options):
        command = option.of_heads(_heads_with(option))(command)
    return command


def check_options(head: Head) -> None:
    """Refuses options on the command line that say nothing to this head.

    Raises:
        InputError: There is one; the message tells which heads it is for.
    """
    context = click.get_current_context()
    for option in dict.fromkeys(o for other in HEADS.values() for o in _all(other)):
        source = context.get_parameter_source(option.name)
        if source is ParameterSource.COMMANDLINE and option not in _all(head):
            raise InputError(
                f"{option.flag} is for {', '.join(_heads_with(option))}. Received: "
                f"{option.flag}, with a model for {head.name}"
            )


def _heads_with(option):
    return [head.name for head in HEADS.values() if option in _all(head)]


def _all(head):
    return head.options + head.predict_options + head.serve_options


_threshold = HeadOption(
    "--threshold",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Probability from which on a text has one of several labels.",
)
_top = HeadOption(
    "--top",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many labels, answers or word pieces to show.",
)
_question_options = (
    HeadOption(
        "--doc-stride",
        default=128,
        show_default=True,
        type=click.IntRange(min=0),
        help="Word pieces that two windows of a long text share.",
    ),
    HeadOption(
        "--max-question-length",
        default=64,
        show_default=True,
        type=click.IntRange(min=1),
        help="Word pieces that are kept of a question.",
    ),
    HeadOption(
        "--max-answer-length",
        default=30,
        show_default=True,
        type=click.IntRange(min=1),
        help="Most word pieces of an answer.",
    ),
    HeadOption(
        "--no-answer-threshold",
        type=float,
        help="By how much no answer must be better than the best one to be taken, as "
        "in SQuAD 2.0.  [default: there is always an answer]",
    ),
)


def _metric_of_glue(values, path):
    from keras_squeezebert.data import GLUE

    task = GLUE.get(glue_task(values, path))
    # Of two, the last computes both.
    return {"metric_name": task.metrics[-1]} if task else {}


# === The heads

HEADS = {
    head.name: head
    for head in (
        Head(
            name="sequence-classification",
            architecture="SqueezeBertForSequenceClassification",
            summary="A label, several labels or a number for a text or a pair.",
            container="TextExamples",
            labels="labels",
            reader=read_texts,
            data_options=(
                text_column,
                label_column,
                text_pair_column,
                HeadOption(
                    "--label-separator",
                    help="What stands between labels, where a text has any number.",
                ),
                HeadOption(
                    "--glue",
                    metavar="TASK",
                    help="The data is the folder of GLUE, with SST-2, MNLI and so on "
                    "in it, and this is the task: cola, sst2, mrpc, stsb, qqp, mnli, "
                    "qnli, rte, wnli or ax.",
                ),
            ),
            task_options=(
                _threshold,
                HeadOption(
                    "--metric",
                    "metric_name",
                    metavar="NAME",
                    help="accuracy, f1, matthews, multi_class_f1, multi_label_f1 or "
                    "pearson_spearman.  [default: that of the problem, or of --glue]",
                ),
            ),
            predict_options=(
                HeadOption("--text-pair", help="The second text, for pairs."),
                _threshold,
                _top,
            ),
            serve_options=(
                HeadOption(
                    "--pairs",
                    is_flag=True,
                    help="It takes two texts, text and text_pair.",
                ),
            ),
            implied=_metric_of_glue,
        ),
        Head(
            name="token-classification",
            architecture="SqueezeBertForTokenClassification",
            summary="A tag for each word, as for named entities.",
            container="TokenExamples",
            labels="tags",
            reader=read_words,
            data_options=(
                HeadOption(
                    "--tokens-column",
                    help="Column, or JSON key, of the words; in CoNLL files, which "
                    "all are but .csv, .tsv and .jsonl, its number.  [default: tokens, "
                    "or 0]",
                ),
                HeadOption(
                    "--tags-column",
                    help="Column, or JSON key, of the tags; in CoNLL files its number. "
                    " [default: tags, or -1, the last]",
                ),
                HeadOption(
                    "--tag-scheme",
                    default="auto",
                    show_default=True,
                    help="What tags of entities are in: IOB1, IOB2, IOB or BIOES; "
                    "plain for other tags.",
                ),
            ),
        ),
        Head(
            name="question-answering",
            architecture="SqueezeBertForQuestionAnswering",
            summary="The passage of a text that answers a question, or none.",
            container="QuestionExamples",
            labels="answers",
            reader=read_questions,
            data_options=(
                HeadOption(
                    "--repair",
                    is_flag=True,
                    help="Move answers that are not at their offsets to the nearest "
                    "place where they are.",
                ),
            ),
            task_options=_question_options,
            predict_options=(
                HeadOption("--question", help="What is asked of the texts."),
                *_question_options,
                _top,
            ),
            serve_options=_question_options,
            max_length=384,
        ),
        Head(
            name="multiple-choice",
            architecture="SqueezeBertForMultipleChoice",
            summary="Which of several continuations of a text fits best.",
            container="ChoiceExamples",
            labels="labels",
            reader=read_contexts,
            data_options=(
                HeadOption(
                    "--context-column",
                    default="context",
                    show_default=True,
                    help="Column, or JSON key, of the context. Files of SWAG and CODAH "
                    "are known by their form.",
                ),
                HeadOption(
                    "--choices-column",
                    multiple=True,
                    help="JSON key of the list of choices; or, once for each, the "
                    "columns that hold one.  [default: choices]",
                ),
                label_column,
            ),
            predict_options=(
                HeadOption(
                    "--choice",
                    "choices",
                    multiple=True,
                    help="A continuation of the texts; once for each, two or more.",
                ),
            ),
        ),
        Head(
            name="masked-lm",
            architecture="SqueezeBertForMaskedLM",
            summary="Word pieces that were hidden, as in pretraining.",
            container="TextExamples",
            labels=None,
            reader=read_paragraphs,
            task_options=(
                HeadOption(
                    "--mask-rate",
                    "rate",
                    default=0.15,
                    show_default=True,
                    type=click.FloatRange(0, 1),
                    help="Share of the word pieces that are hidden.",
                ),
                HeadOption(
                    "--whole-words",
                    is_flag=True,
                    help="Hide a word with all of its pieces, or not at all.",
                ),
            ),
            predict_options=(_top,),
            serve_options=(_top,),
            # Where a command has a seed, it is that of the masks, too.
            implied=lambda values, path: {"seed": values.get("seed", 0)},
        ),
    )
}

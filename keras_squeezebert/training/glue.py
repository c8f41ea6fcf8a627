"""GlueRow: a model fine-tuned on every task of GLUE, and its row in the table."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import keras

from keras_squeezebert.data import GLUE, read_glue
from keras_squeezebert.data.submissions import write_submission
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import read_json, write_json
from keras_squeezebert.inference import load_keras_model
from keras_squeezebert.models import SqueezeBertForSequenceClassification
from keras_squeezebert.tasks import Evaluation, SequenceClassification, model_outputs
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.training.fine_tune import fine_tune
from keras_squeezebert.training.glue_table import Results, best_seed, columns_of, score
from keras_squeezebert.training.lock import used_alone
from keras_squeezebert.training.recipe import Recipe
from keras_squeezebert.training.session import remove_state
from keras_squeezebert.training.start import start_model
from keras_squeezebert.training.state import differing
from keras_squeezebert.training.teacher_answers import save_answers

RESULTS_FILE = "results.json"
_TRAINING_FOLDER = "training"

# === The recipe as data

# Batches of 16 are the paper's, 10 epochs at 3e-5 those of its authors' command for
# MRPC, in the model card of squeezebert-uncased. The numbers of the paper's appendix
# were not at hand: the other small tasks take MRPC's, the large ones 3 epochs, BERT's.
_SMALL = Recipe(epochs=10, batch_size=16, learning_rate=3e-5)
_LARGE = replace(_SMALL, epochs=3)

# In the order of training: the others can start from the model of MNLI.
RECIPES = {
    "mnli": _LARGE,
    "qqp": _LARGE,
    "qnli": _LARGE,
    "sst2": _LARGE,
    "cola": _SMALL,
    "stsb": _SMALL,
    "mrpc": _SMALL,
    "rte": _SMALL,
    "wnli": _SMALL,
}

# The paper distils "on the final layer", of logits; how much the teacher weighs there
# was not at hand, so this is what `distill` does unless told otherwise.
_DISTILLATION = {"weight": 0.5, "temperature": 1.0}

# GLUE's usual.
MAX_LENGTH = 128

# As BERT's paper, that of SqueezeBERT leaves out WNLI.
PAPER_TASKS = tuple(task for task in RECIPES if task != "wnli")

# The diagnostic set is answered by the model of MNLI.
_TESTS = {"mnli": ("mnli", "ax")}

# === The row


@dataclass(frozen=True, kw_only=True)
class GlueRow:
    r"""A model that is fine-tuned on tasks of GLUE, with several seeds each.

    All that it makes is in one folder: `results.json`, with the figures of every
    training that is over, and the models, in `rte/seed-0` and so on. A run that was
    killed goes on where it was, and later runs can add tasks and seeds.

    Args:
        source: The model to start from, a folder or an id on the Hugging Face Hub.
        data: GLUE's folder.
        output: The folder.
        changes: Fields of `Recipe` that are to be others than the task's own.
        max_length: Tokens that are kept of a row.
        teachers: A folder of models by task, `rte`, `mrpc` and so on, from whose
            answers each task is distilled; their labels are in the order of `GLUE`.
        transfer: Whether the other tasks start from the model of MNLI of their seed,
            if there is one.
        tell: Is given a line on everything that happens.
        verbose: Of `keras.Model.fit`.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "RTE").mkdir()
        >>> for split in ("train", "dev"):
        ...     _ = (folder / "RTE" / f"{split}.tsv").write_text(
        ...         "index\tsentence1\tsentence2\tlabel\n"
        ...         "0\tIt rains in Oslo.\tOslo is wet.\tentailment\n"
        ...         "1\tIt rains in Oslo.\tOslo is dry.\tnot_entailment\n"
        ...     )
        >>> SqueezeBertForSequenceClassification(SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )).save_pretrained(folder / "model")
        >>> SqueezeBertTokenizerFast().save_pretrained(folder / "model")
        >>> row = GlueRow(
        ...     source=folder / "model", data=folder, output=folder / "row",
        ...     changes={"epochs": 1}, verbose=0,
        ... )
        >>> results = row.run(["rte"], seeds=[0, 1])
        >>> sorted(results["rte"]), sorted(results["rte"]["0"]["figures"])
        (['0', '1'], ['accuracy'])

    Reference:
        Iandola et al. 2020, arXiv 2006.11316, section 4.2.
    """

    source: str | os.PathLike
    data: str | os.PathLike
    output: str | os.PathLike
    changes: dict[str, Any] = field(default_factory=dict)
    max_length: int = MAX_LENGTH
    teachers: str | os.PathLike | None = None
    transfer: bool = True
    tell: Callable[[str], None] = lambda line: None
    verbose: str | int = "auto"

    def run(self, tasks: Sequence[str], seeds: Sequence[int]) -> Results:
        """Trains what is not trained yet.

        Args:
            tasks: Keys of `RECIPES`, with files in the folder.
            seeds: Of the head's weights, of dropout and of the order of the rows.

        Returns:
            All results in the folder, those of earlier runs too.

        Raises:
            InputError: A task is unknown or lacks files; the folder is in use, or has
                trainings with other settings; a teacher is missing or does not fit.
        """
        self._check(tasks)
        output = Path(self.output)
        output.mkdir(parents=True, exist_ok=True)
        with used_alone(output, "run"):
            return self._run([task for task in RECIPES if task in tasks], seeds)

    def submit(self, task: str, folder: str | os.PathLike) -> list[Path]:
        """Writes what is sent to GLUE, by the model of the best seed.

        Args:
            task: One that is trained; with MNLI comes the diagnostic set.
            folder: For the files.

        Returns:
            The files. There is none for a test that has no file here, which is told.
        """
        results = read_results(self.output)
        loaded = load_keras_model(self.folder(task, best_seed(task, results[task])))
        head, config, paths = _head(task), loaded.config, []
        for name in _TESTS.get(task, (task,)):
            for split in GLUE[name].submissions:
                missing = missing_files(self.data, name, [split])
                if missing:
                    self.tell(f"No submission for {name}: there is no {missing[0]}.")
                    continue
                examples = read_glue(self.data, name, split)
                features = head.encode(
                    examples, loaded.tokenizer, config, self.max_length
                )
                outputs = model_outputs(head, loaded.model, features)
                answers = head.decode(outputs, features, examples, config)
                predictions = [a.get("value", a.get("label")) for a in answers]
                paths.append(write_submission(folder, name, split, predictions))
        return paths

    def folder(self, task: str, seed: int | str) -> Path:
        """Where the model of a task and a seed is."""
        return Path(self.output) / task / f"seed-{seed}"

    # === One training after the other

    def _run(self, tasks, seeds):
        results = read_results(self.output)
        plan = [
            (task, seed, self._settings(task, seed, tasks, results))
            for task in tasks
            for seed in seeds
        ]
        # All of them first: the last one might be hours away.
        for task, _, settings in plan:
            for seed, result in results.get(task, {}).items():
                _check_settings(self.folder(task, seed), result["settings"], settings)
        for task, seed, settings in plan:
            of_task = results.setdefault(task, {})
            if str(seed) in of_task:
                self.tell(f"{task}, seed {seed}: kept, for it is trained.")
                continue
            figures = self._train(task, seed, settings)
            of_task[str(seed)] = {"settings": settings, "figures": figures}
            write_json(Path(self.output) / RESULTS_FILE, results)
            # Only now: whoever is killed before begins with it.
            remove_state(self.folder(task, seed) / _TRAINING_FOLDER)
        return results

    def _settings(self, task, seed, tasks, results):
        """What is the same for all seeds of a task, in values that JSON can hold."""
        recipe = asdict(replace(RECIPES[task], **self.changes))
        del recipe["seed"]
        is_there = "mnli" in tasks or str(seed) in results.get("mnli", {})
        from_mnli = self.transfer and task != "mnli" and is_there
        return {
            "model": os.fspath(self.source),
            "starts from": "mnli" if from_mnli else os.fspath(self.source),
            "teacher": self.teachers and os.fspath(self._teacher_folder(task)),
            "max_length": self.max_length,
            **recipe,
        }

    def _train(self, task, seed, settings):
        """The figures of the best epoch, on the dev set; the model is saved."""
        start = self.source
        if settings["starts from"] == "mnli":
            start = self.folder("mnli", seed)
        self.tell(f"{task}, seed {seed}: starts from {start}.")
        keras.utils.set_random_seed(seed)
        model, tokenizer = start_model(
            SqueezeBertForSequenceClassification,
            list(GLUE[task].labels) or ["score"],
            start,
            problem_type=GLUE[task].problem_type,
            max_length=self.max_length,
        )
        self.tell(str(model.load_report))
        head, output = _head(task), self.folder(task, seed)

        def evaluation(split):
            examples = read_glue(self.data, task, split)
            return Evaluation(head, examples, tokenizer, model.config, self.max_length)

        features = head.encode(
            read_glue(self.data, task, "train"),
            tokenizer,
            model.config,
            self.max_length,
        )
        for name, count in features.notes.items():
            if count:
                self.tell(f"{task}, training data: {count} {name}.")
        if self.teachers:
            features = self._answers(task, model, features)
            model.distill_from(features.teacher, **_DISTILLATION)
        first, *others = _dev_splits(task)
        scored = evaluation(first)
        history = fine_tune(
            model,
            features,
            scored,
            replace(RECIPES[task], **self.changes, seed=seed),
            folder=output / _TRAINING_FOLDER,
            verbose=self.verbose,
        )
        best = max(history, key=lambda epoch: epoch[f"val_{scored.metric.primary}"])
        figures = {
            name.removeprefix("val_"): value
            for name, value in best.items()
            if name.startswith("val_")
        }
        for split in others:
            prefix = split.removeprefix("dev_")
            for name, value in evaluation(split)(model).items():
                figures[f"{prefix}_{name}"] = value
        model.save_pretrained(output)
        tokenizer.save_pretrained(output)
        # JSON has no nan, which the correlations of a constant are.
        return {n: x if math.isfinite(x) else None for n, x in figures.items()}

    # === Teachers

    def _teacher_folder(self, task):
        return Path(self.teachers) / task

    def _answers(self, task, model, features):
        """The features with the answers of the teacher, which all seeds share."""
        folder = self._teacher_folder(task)
        teacher = load_keras_model(folder)
        labels = teacher.config.id2label
        # The one number of a regression may have any name.
        if GLUE[task].labels and labels != model.config.id2label:
            raise InputError(
                f"The labels of a teacher for {task} must be {model.config.id2label}. "
                f"Received: {labels}, of {folder}"
            )
        return save_answers(
            teacher.model,
            features,
            Path(self.output) / task / "teacher-answers",
            progress=bool(self.verbose),
        )

    # === What can be found wrong before anything is trained

    def _check(self, tasks):
        if not tasks or set(tasks) - set(RECIPES):
            raise InputError(
                f"Tasks are one or more of {', '.join(RECIPES)}. Received: "
                f"{', '.join(tasks) or 'none'}"
            )
        for task in tasks:
            missing = missing_files(self.data, task)
            if missing:
                raise InputError(
                    f"To train {task}, GLUE's folder must hold {', '.join(missing)}. "
                    f"Received: {os.fspath(self.data)}"
                )
        tokenizer = SqueezeBertTokenizerFast.from_pretrained(self.source)
        if not self.teachers:
            return
        for task in tasks:
            folder = self._teacher_folder(task)
            if not folder.is_dir():
                raise InputError(
                    f"There must be a teacher for every task. Received: {folder}, "
                    "which is no folder"
                )
            theirs = SqueezeBertTokenizerFast.from_pretrained(folder)
            if theirs.vocabulary != tokenizer.vocabulary:
                raise InputError(
                    "A teacher must have the vocabulary of the model that learns. "
                    f"Received: {folder}, of {theirs.vocab_size} pieces; "
                    f"{os.fspath(self.source)} has {tokenizer.vocab_size}"
                )


def _head(task):
    # Of two metrics, the last computes both.
    return SequenceClassification(metric_name=GLUE[task].metrics[-1])


def _dev_splits(task):
    return [split for split in GLUE[task].files if split.startswith("dev")]


def missing_files(
    data: str | os.PathLike, task: str, splits: Sequence[str] | None = None
) -> list[str]:
    """The files that a folder of GLUE lacks.

    Args:
        data: The folder.
        task: A key of `GLUE`.
        splits: What is to be read; None is what is needed to train.

    Returns:
        Of each split that cannot be read, the file that it is looked for in.

    Example:
        >>> missing_files("nowhere", "mnli")
        ['MNLI/train.tsv', 'MNLI/dev_matched.tsv', 'MNLI/dev_mismatched.tsv']
    """
    if splits is None:
        splits = ["train", *_dev_splits(task)]
    of_splits = [GLUE[task].files[split] for split in splits]
    return [
        files[0].path
        for files in of_splits
        if not any((Path(data) / file.path).exists() for file in files)
    ]


# === Results


def read_results(output: str | os.PathLike) -> Results:
    """What runs have found so far.

    Args:
        output: The folder of a `GlueRow`.

    Raises:
        InputError: Its `results.json` is damaged, or of something else.

    Example:
        >>> read_results("nowhere")
        {}
    """
    path = Path(output) / RESULTS_FILE
    if not path.exists():
        return {}
    results = read_json(path)
    try:
        for task, of_task in results.items():
            for seed, result in of_task.items():
                int(seed), result["settings"].items()
                for column in columns_of(task):
                    score(column, result["figures"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(
            f"{path} has no results of GLUE, or is damaged. Remove it, or choose "
            "another folder"
        ) from None
    return results


def _check_settings(folder, before, now):
    differ = differing(before, now)
    if differ:
        raise InputError(
            f"{folder} was trained with other settings, and the seeds of a task share "
            f"them. Choose another folder for the output. Received: {differ}"
        )

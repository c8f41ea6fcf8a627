"""The demo's picture: accuracy, size and latency side by side."""

import os

from keras_squeezebert.files import atomic_file

NAMES = {
    "keras": "Keras",
    "tflite-float32": ".tflite\nfloat32",
    "tflite-dynamic-ptq": "int8 weights\n(TensorFlow's)",
    "tflite-mixed-ptq": "int8,\ncalibrated",
    "tflite-mixed": "int8,\ntrained",
}
COLOURS = ("#9aa5b1", "#3e6fb0", "#7a9cc9", "#edb871", "#e08a1e")


def draw_report(report: dict, path: str | os.PathLike) -> None:
    """Writes the demo's report as a PNG of three bar charts.

    Args:
        report: What `squeezebert demo` writes to report.json.
        path: Where the picture goes.
    """
    # Not pyplot: it would look for a screen and keep the figure alive.
    from matplotlib.figure import Figure

    models = report["models"]
    panels = [
        (
            "In-scope test accuracy, %",
            [100 * model["accuracy_in_scope"] for model in models.values()],
            "{:.1f}",
        ),
        ("Size, MB", [model["bytes"] / 1e6 for model in models.values()], "{:.1f}"),
        (
            "One query, ms (median)",
            [model["ms_per_query"] for model in models.values()],
            "{:.2f}",
        ),
    ]
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    axes = figure.subplots(1, len(panels))
    names = [NAMES.get(name, name) for name in models]
    for axis, (title, values, form) in zip(axes, panels, strict=True):
        bars = axis.bar(names, values, color=COLOURS[: len(values)], width=0.6)
        axis.bar_label(bars, labels=[form.format(value) for value in values], padding=2)
        axis.set_title(title, fontsize=11)
        axis.set_ylim(0, 1.12 * max(values))
        axis.tick_params(axis="x", labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    machine = report["machine"]
    figure.suptitle(
        f"SqueezeBERT on CLINC150: {report['parameters'] / 1e6:.1f} M parameters, "
        f"from squeezebert_small_en. {machine['processor']}, LiteRT on one thread, "
        f"{report['date']}.",
        fontsize=9,
        color="#555555",
    )
    with atomic_file(path) as draft:
        figure.savefig(draft, dpi=150)

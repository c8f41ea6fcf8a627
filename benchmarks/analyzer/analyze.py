"""What keeps operations of a .tflite off the GPU delegate, by TensorFlow's Analyzer.

    benchmarks/analyzer/setup
    benchmarks/analyzer/.venv/bin/python benchmarks/analyzer/analyze.py FILE...

Prints a line of JSON for each file: how many operations of a kind have which problem.
"""

import contextlib
import io
import json
import re
import sys
from collections import Counter

import tensorflow as tf


def problems(path):
    """Counts of "KIND: problem"."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tf.lite.experimental.Analyzer.analyze(path, gpu_compatibility=True)
    # An operation, and in the next line what is wrong with it, and with which sizes.
    found = re.findall(
        r"^ *Op#\d+ (\w+).*\nGPU COMPATIBILITY WARNING: (.*?)(?: - .*)?$",
        printed.getvalue(),
        re.MULTILINE,
    )
    return Counter(f"{kind}: {problem}" for kind, problem in found)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(json.dumps({"file": path, "problems": problems(path)}))

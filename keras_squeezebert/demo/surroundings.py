"""What a report's figures were measured with."""

import datetime
import importlib.metadata
import os
import platform
import sys
from pathlib import Path


def surroundings():
    """What the figures were measured with."""
    packages = ("tensorflow", "keras", "ai-edge-litert", "tokenizers", "numpy")
    return {
        "machine": {
            "processor": processor_name(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["squeezebert", *sys.argv[1:]]),
        "note": "ms_per_query: median of single queries, ids in, logits out; LiteRT "
        "on one thread.",
    }


def processor_name():
    """The processor's name where Linux tells it, else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

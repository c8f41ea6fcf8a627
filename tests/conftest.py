"""Lets test files import the helpers that several of them share."""

import sys
from pathlib import Path

# pytest's importlib mode adds no folder of tests to the path.
sys.path += [
    str(Path(__file__).parent / folder)
    for folder in ("models", "cli", "portable", "serving", "web", "acceptance")
]

"""Lets the test files of this folder import the helpers that they share."""

import sys
from pathlib import Path

from hypothesis import settings

# pytest's importlib mode adds no folder of tests to the path.
sys.path.append(str(Path(__file__).parent))

# Files are written and read, and how long that takes is the machine's affair.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

"""MediaPipe's TextClassifier: texts on stdin, as JSON, to labels on stdout.

.mediapipe/bin/python mediapipe_python.py MODEL.tflite
"""

import json
import sys

from mediapipe.tasks.python import BaseOptions, text

options = text.TextClassifierOptions(
    base_options=BaseOptions(model_asset_path=sys.argv[1]), max_results=1
)
with text.TextClassifier.create_from_options(options) as classifier:
    results = [classifier.classify(text) for text in json.load(sys.stdin)]
print(
    json.dumps(
        [
            [category.category_name, category.score]
            for result in results
            for category in result.classifications[0].categories
        ]
    )
)

"""Maps the repository's folders to packages; everything else is in pyproject.toml.

`converters/`, `tflite/` and `web/` stand at the top of the repository but install
inside `keras_squeezebert`: PyPI has packages with these very names, and a top-level
install would overwrite them. Automatic discovery does not follow such a map, so
the list of packages is built here.
"""

from setuptools import find_packages, setup

PACKAGE_DIRS = {
    "keras_squeezebert": "keras_squeezebert",
    "keras_squeezebert.converters": "converters",
    "keras_squeezebert.tflite": "tflite",
    "keras_squeezebert.web": "web",
}

packages = list(PACKAGE_DIRS)
for package, folder in PACKAGE_DIRS.items():
    packages += [f"{package}.{name}" for name in find_packages(folder)]

setup(
    packages=packages,
    package_dir=PACKAGE_DIRS,
    package_data={
        "keras_squeezebert.data": ["*.json.xz"],
        "keras_squeezebert.tokenizers": ["*.txt"],
        "keras_squeezebert": ["weights/*/*"],
        "keras_squeezebert.web": ["*.html", "*.css", "*.svg", "*.js", "package*.json"],
    },
    exclude_package_data={"keras_squeezebert.web": ["benchmark.js"]},
)

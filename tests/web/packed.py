"""repacked: a .tflite with other files in it."""

import json
import zipfile


def repacked(path, target, config=None, without=None):
    """A copy of a .tflite whose config says something else, or that lacks a file."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
        start = min(info.header_offset for info in archive.infolist())
    target.write_bytes(path.read_bytes()[:start])
    values = json.loads(files["config.json"]) | (config or {})
    files["config.json"] = json.dumps(values).encode()
    files.pop(without, None)
    with zipfile.ZipFile(target, "a") as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    return target

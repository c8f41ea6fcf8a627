"""The page's files are formatted as prettier does it."""

import subprocess


def test_prettier_has_nothing_to_change(node_modules):
    command = [node_modules / ".bin" / "prettier", "--check", "."]
    finished = subprocess.run(
        command, cwd=node_modules.parent, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr

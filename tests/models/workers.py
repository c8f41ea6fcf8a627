"""Processes of one machine that train together on JAX, with several devices each."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np

PROCESSES, DEVICES = 2, 4
# Seconds after which a process counts as lost. JAX waits for 100.
PATIENCE = 30
WORKER = """
    import functools
    import sys
    sys.path[:0] = {paths!r}
    import jax
    from workers import DEVICES, PATIENCE, PROCESSES, save
    jax.distributed.initialize = functools.partial(
        jax.distributed.initialize, heartbeat_timeout_seconds=PATIENCE
    )
    import {module} as here
    from keras_squeezebert.training import data_parallel
    share = data_parallel()
    assert (share.processes, share.devices) == (PROCESSES, DEVICES), share
"""


def save(folder, share, results):
    arrays = {
        f"{name}.{number}": array
        for name, weights in results.items()
        for number, array in enumerate(weights)
    }
    np.savez(f"{folder}/{share.process}.npz", **arrays)


def start_workers(module, work, **values):
    """Processes that train together, of which each runs some lines of Python.

    Args:
        module: Path of the test, which the lines know as `here`.
        work: The lines, with `share` for what of a batch is the process' own.
        **values: What is filled into them.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    paths = [os.path.dirname(module), *filter(None, sys.path)]
    script = textwrap.dedent(WORKER).format(paths=paths, module=Path(module).stem)
    script += textwrap.dedent(work).format(**values)
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={DEVICES // PROCESSES}",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(PROCESSES),
    }
    return [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**environment, "KERAS_DISTRIBUTION_PROCESS_ID": str(number)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]


def ends_of(workers):
    """Exit codes, and what was said."""
    errors = [worker.communicate(timeout=600)[1] for worker in workers]
    return [worker.returncode for worker in workers], "\n".join(errors)


def finish(workers):
    codes, errors = ends_of(workers)
    assert codes == [0] * len(codes), errors[-3000:]


def weights_of(folder, process, name):
    arrays = np.load(folder / f"{process}.npz")
    count = sum(key.startswith(f"{name}.") for key in arrays)
    return [arrays[f"{name}.{number}"] for number in range(count)]


def assert_close(received, expected, tolerance=1e-5):
    assert len(received) == len(expected) > 10
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)

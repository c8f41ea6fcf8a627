"""/openapi.json tells the truth: who goes by it meets no answer that it denies."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from keras_squeezebert.serving.rest import rest_app

HEAD = "sequence-classification"
# That the rows of `tokens` must be equally long, no schema can say.
EXCLUDED = [positive_data_acceptance]


@pytest.fixture(scope="module")
def operations(signatures_of):
    app = rest_app(signatures_of(HEAD), HEAD)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    return [operation.ok() for operation in schema.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_is_asked(operations, mode):
    """Requests that the description allows, and others."""
    statuses = set()
    for operation in operations:
        if mode.is_negative and operation.method == "get":
            continue  # nothing in it can be wrong

        @settings(
            max_examples=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def ask(case):
            answer = case.call_and_validate(excluded_checks=EXCLUDED)
            statuses.add(answer.status_code)

        ask()
    assert statuses == ({400, 404} if mode.is_negative else {200, 400})


def test_every_head_is_described(signatures_of, head):
    app = rest_app(signatures_of(head), head)
    described = TestClient(app).get("/openapi.json").json()
    path = f"/v1/models/{head}"
    paths = set(described["paths"])
    assert {path, f"{path}:predict", f"{path}/versions/{{version}}"} < paths
    assert (f"{path}:classify" in paths) == (head == HEAD)

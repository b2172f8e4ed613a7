"""The table of operations is that of Lambda's service model, and every operation leads somewhere."""

import botocore.session
import pytest

from nanogrid.api.route import Router
from nanogrid.gateway.lambda_api.face import lambda_routes
from nanogrid.gateway.lambda_api.operations import OPERATIONS, Operation
from nanogrid.gateway.lambda_api.refusals import _CAPITAL
from nanogrid.gateway.lambda_api.table import HAS


@pytest.fixture(scope="module")
def model():
    return botocore.session.get_session().get_service_model("lambda")


def test_every_operation_of_the_model_is_in_the_table_under_its_method_and_path(model):
    expected = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        expected.append(Operation(name, http["method"], path, query))

    assert list(OPERATIONS) == expected


def test_what_the_grid_has_is_in_the_table():
    assert set(HAS) <= {operation.name for operation in OPERATIONS}


@pytest.mark.parametrize("slash", ["", "/"])
def test_every_operation_has_a_route_with_and_without_a_slash_at_its_end(slash):
    router = Router(lambda_routes())
    for operation in OPERATIONS:
        filled = operation.path.replace("{", "").replace("}", "")
        route, _ = router.find(operation.method, filled + slash)

        assert route.operation_id.startswith("lambda")


def test_errors_write_message_as_the_model_does(model):
    capital = {shape.name for shape in model.error_shapes if "Message" in shape.members}

    assert {name for name in _CAPITAL if name in {shape.name for shape in model.error_shapes}} <= capital

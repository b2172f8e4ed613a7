"""What the grid's own errors are called in Lambda's language."""

import json

import pytest

from nanogrid import errors
from nanogrid.gateway.lambda_api.refusals import of_error, refusal_answer


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (errors.FunctionNotFound("none."), "ResourceNotFoundException", 404),
        (errors.RevisionConflict("changed."), "ResourceConflictException", 409),
        (errors.QuotaReached("too many."), "CodeStorageExceededException", 400),
        (errors.VersionBroken("broken."), "InvalidParameterValueException", 400),
        (errors.InvalidField("impossible."), "InvalidParameterValueException", 400),
        (errors.TooLarge("much."), "RequestTooLargeException", 413),
        (errors.MalformedRequest("what?"), "InvalidRequestContentException", 400),
        (errors.BacklogFull("full."), "TooManyRequestsException", 429),
        (errors.RunQuotaReached("fast."), "TooManyRequestsException", 429),
        (errors.ScopeMissing("no."), "AccessDeniedException", 403),
        (errors.SlowRequest("slow."), "RequestTimeoutException", 408),
        (errors.StoreUnavailable("away."), "ServiceException", 500),
        (errors.VaultLocked("locked."), "ServiceException", 500),
        (errors.NanoGridError("a mistake."), "ServiceException", 500),
    ],
)
def test_each_error_has_a_name_and_a_status_of_lambdas(error, code, status):
    answer = refusal_answer(of_error(error), "req_1")

    assert (answer.status, dict(answer.headers)["x-amzn-errortype"]) == (status, code)
    assert dict(answer.headers)["x-amzn-requestid"] == "req_1"


def test_whoever_is_throttled_is_told_why_and_for_how_long():
    full = refusal_answer(of_error(errors.BacklogFull("full.", retry_after_s=3)), "req_1")
    fast = refusal_answer(of_error(errors.RunQuotaReached("fast.")), "req_1")

    assert json.loads(full.body)["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert json.loads(fast.body)["Reason"] == "CallerRateLimitExceeded"
    assert dict(full.headers)["retry-after"] == "3"


def test_a_fault_of_the_grid_says_nothing_of_its_inside_and_whose_it_is():
    body = json.loads(refusal_answer(of_error(errors.NanoGridError("secret path")), "req_1").body)

    assert body == {"Type": "Service", "Message": "The grid made a mistake; its log says more."}

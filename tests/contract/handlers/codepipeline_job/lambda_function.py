import json

try:
    import boto3
except ImportError:
    boto3 = None


class Pipeline:
    def __init__(self):
        self.client = boto3.client("codepipeline") if boto3 else None
        self.calls = []

    def success(self, job_id, **result):
        self.calls.append(["put_job_success_result", job_id, result])

    def failure(self, job_id, message, execution_id):
        details = {"message": message, "type": "JobFailed", "externalExecutionId": execution_id}
        self.calls.append(["put_job_failure_result", job_id, details])


def lambda_handler(event, context):
    job = event["CodePipeline.job"]
    pipeline = Pipeline()
    try:
        settings = json.loads(job["data"]["actionConfiguration"]["configuration"]["UserParameters"])
        artifact = next(a for a in job["data"]["inputArtifacts"] if a["name"] == settings["artifact"])
        pipeline.success(job["id"], outputVariables={"revision": artifact["revision"]})
    except (KeyError, ValueError, StopIteration) as problem:
        pipeline.failure(job["id"], repr(problem), context.aws_request_id)
    return pipeline.calls

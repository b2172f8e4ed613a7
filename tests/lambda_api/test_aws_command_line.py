"""The AWS command line, unmodified: the example's walk-through does what it says, on a started grid."""

import os
import subprocess
import sys
from pathlib import Path

WALK = Path(__file__).parents[2] / "examples" / "lambda_tools" / "walk_through.sh"


def test_a_functions_life_with_the_aws_command_line(live, tmp_path):
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": live.keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": live.keys.secret,
        "AWS_ENDPOINT_URL_LAMBDA": live.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }
    done = subprocess.run([str(WALK)], env=environment, capture_output=True, text=True, timeout=110, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["--- create", "greeter\tPending\t1"]
    assert lines[3].startswith("START RequestId: run_")
    assert lines[4] == "greeting Ada"
    assert lines[6].startswith("REPORT RequestId: run_")
    assert lines[7].startswith('{"greeting":"Hello, Ada!","version":')
    assert "arn:aws:lambda:us-east-1:000000000000:function:greeter:live" in lines
    assert "InProgress\t5" in lines
    at = lines.index("InProgress\t5")
    assert (lines[at + 1], "Hello, Ada!" in lines[at + 2]) == ("1", True)
    assert lines[at + 3 :] == ["--- delete", "204"]

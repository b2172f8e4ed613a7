"""Runs MiniStack in this process, with what its CloudFormation lacks."""

import sys
from pathlib import Path
from typing import Any

from ministack import app
from ministack.services import ec2, kms
from ministack.services.cloudformation import provisioners

from nanogrid.cloud.emulator.key_service import completed
from nanogrid.cloud.emulator.network_types import network_types
from nanogrid.cloud.emulator.recorder import Recorder


def main() -> None:
    """Serve until killed; what is asked is written down in the file that the argument names."""
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS  # noqa: SLF001 - it has no other place for new types
    for name, handler in network_types(ec2).items():
        handlers.setdefault(name, handler)
    kms.handle_request = completed(kms)
    # It asks whether a bucket's name is free also where the bucket is to be taken back into a stack; making a bucket
    # whose name is taken is refused all the same.
    provisioners.s3_bucket_name_conflict = lambda _name: None
    # Its server looks the application up in the module.
    app.app = Recorder(app.app, Path(sys.argv[1]))
    sys.argv = sys.argv[:1]
    app.main()


if __name__ == "__main__":
    main()

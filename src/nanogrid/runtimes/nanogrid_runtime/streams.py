"""stdout, stderr and logging, as a function finds them."""

import sys
import time

LOG_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"


class Streams:
    """stdout and stderr: lines go out as they are written, and nothing that is written is refused."""

    def __init__(self):
        self._own = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
        for stream in self._own:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)

    def flush(self):
        """Write out what is held, also where the function has put streams of its own in place."""
        for stream in (*self._own, sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # it is closed, or anything at all that the function put there: its own loss
                continue


class RootLogging:
    """Gives the root logger Lambda's handler once `logging` is imported, if the function has set up none itself."""

    def __init__(self):
        self._done = False
        self.run_id = ""

    def set_up(self):
        """Cheap where there is nothing to do."""
        if self._done or "logging" not in sys.modules:
            return
        self._done = True
        logging = sys.modules["logging"]
        root = getattr(logging, "root", None)
        if root is None or root.handlers:
            return
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(LOG_FORMAT, "%Y-%m-%dT%H:%M:%S"))
        handler.formatter.converter = time.gmtime
        handler.addFilter(self._name_run)
        root.addHandler(handler)

    def _name_run(self, record):
        record.aws_request_id = self.run_id
        return True

"""Bootstraps as people write them for `provided`: programs that know Lambda's Runtime API and nothing of NanoGrid."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_cc = pytest.mark.skipif(
    shutil.which("cc") is None and os.environ.get("CI") != "true", reason="there is no C compiler on PATH"
)


def compile_c(source: str, folder: Path) -> Path:
    """The program `bootstrap` in a new folder below this one."""
    (folder / "bootstrap.c").write_text(source)
    code = folder / "code"
    code.mkdir()
    subprocess.run([str(shutil.which("cc")), "-o", str(code / "bootstrap"), str(folder / "bootstrap.c")], check=True)
    return code / "bootstrap"


#: Asks for an event, and answers with it as `{"c": EVENT}`.
C = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ask(const char *request, char *answer, int room) {
    char host[64];
    strncpy(host, getenv("AWS_LAMBDA_RUNTIME_API"), 63);
    char *port = strchr(host, ':');
    *port++ = 0;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, host, &at.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0), size = 0, got;
    if (connect(fd, (struct sockaddr *)&at, sizeof at)) return -1;
    if (write(fd, request, strlen(request)) < 0) return -1;
    while (size < room - 1 && (got = read(fd, answer + size, room - 1 - size)) > 0) size += got;
    answer[size] = 0;
    close(fd);
    return size;
}

int main(void) {
    static char answer[65536], request[65536], reply[32768], id[128];
    for (;;) {
        ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer, 65536);
        char *at = strstr(answer, "Lambda-Runtime-Aws-Request-Id: "), *event = strstr(answer, "\r\n\r\n");
        if (!at || !event) return 1;
        sscanf(at + 31, "%127[^\r]", id);
        snprintf(reply, sizeof reply, "{\"c\":%s}", event + 4);
        snprintf(request, sizeof request, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\n"
                 "Connection: close\r\nContent-Length: %zu\r\n\r\n%s", id, strlen(reply), reply);
        ask(request, answer, 65536);
    }
}
"""

"""What an engine must be able to do before a function is let into its containers, and what is worth knowing of it."""

import re

from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.engine_answers import Info, Version

#: From here on runc can't be led out of a container by who chooses its image or its mounts: CVE-2025-31133,
#: CVE-2025-52565 and CVE-2025-52881.
_SOUND_RUNC = {(1, 2): 8, (1, 3): 3}
_SOUND_SERIES = (1, 4)


def check(info: Info) -> None:
    """Raises `SandboxUnavailable` where limits would be dropped: the engine itself only warns of that."""
    missing = [name for name, counted in (("memory", info.memory_limit), ("processes", info.pids_limit)) if not counted]
    if missing:
        raise SandboxUnavailable(
            f"the Docker engine can't limit {' and '.join(missing)} of a container.",
            hint="Boot the kernel with cgroup_enable=memory, and see `docker info` for its warnings.",
        )


def describe(version: Version, info: Info) -> list[str]:
    """One line each, for `up` and `doctor`."""
    lines = [f"Docker {version.version}, cgroup v{info.cgroup_version}"]
    runc = next((part.version for part in version.components if part.name == "runc"), "")
    if runc and not _is_sound(runc):
        lines.append(f"runc {runc} should be updated (CVE-2025-31133); functions choose neither images nor mounts")
    if not info.swap_limit:
        lines.append("the kernel does not count swap: functions may use it besides their memory")
    return lines


def _is_sound(version: str) -> bool:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        return True  # a build of somebody's own, of which the number says nothing
    series, patch = (int(found[1]), int(found[2])), int(found[3])
    return series >= _SOUND_SERIES or patch >= _SOUND_RUNC.get(series, patch + 1)

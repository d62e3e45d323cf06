# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Ansible's side: the options that all modules share, checks of input, and the one way to exit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import UCloudStackError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._progress import ProgressFile
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import REMARK_LENGTH
from ansible_collections.ucloudstack.cloud.plugins.module_utils._transport import Config

HAS_REQUESTS = all(find_spec(name) for name in ("requests", "urllib3"))
"""Looked for, and not imported: most tasks need urllib3 alone, which comes with it."""
REQUIRED = ("api_url", "public_key", "private_key", "region")
DELEGATED = "The module runs, and reads the environment, on the host that the task is delegated to: is delegate_to: localhost missing?"
"""Why an option that the user has set may be missing."""


def _from_environment(option: str) -> tuple[Callable[..., Any], list[str]]:
    return (env_fallback, [f"UCLOUDSTACK_{option.upper()}"])


CONNECTION: dict[str, Any] = {
    "api_url": {"type": "str", "fallback": _from_environment("api_url")},
    "public_key": {"type": "str", "fallback": _from_environment("public_key")},
    "private_key": {"type": "str", "no_log": True, "fallback": _from_environment("private_key")},
    "region": {"type": "str", "fallback": _from_environment("region")},
    "zone": {"type": "str", "fallback": _from_environment("zone")},
    "project_id": {"type": "str", "fallback": _from_environment("project_id")},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "request_timeout": {"type": "int", "default": 30},
}
ACTING: dict[str, Any] = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 1800},
    "parallelism": {"type": "int", "default": 16},
}


class InputError(UCloudStackError):
    """Invalid input, refused before any call."""


def run(
    job: Callable[[Client, AnsibleModule], dict[str, Any]],
    argument_spec: dict[str, Any],
    of_nothing: Callable[[Mapping[str, Any], UCloudStackError], dict[str, Any]] | None = None,
) -> None:
    """Create the module, let ``job`` do its work with a client, and exit with what it returns.

    A job that returns ``failed`` fails the task with all that it returns. An exception of the collection becomes a failure of
    one line here, and nowhere else: jobs let one escape only while nothing is written yet. ``of_nothing``: the return values then.
    ``api_calls`` is added to every result; ``diff`` is left out if it was not asked for.
    """
    module = AnsibleModule(argument_spec={**CONNECTION, **argument_spec}, supports_check_mode=True)
    client = None
    try:
        client = connected(module.params)
        result = job(client, module)
    except UCloudStackError as error:
        if of_nothing and not isinstance(error, InputError):
            result = of_nothing(module.params, error)
        else:
            result = {"failed": True, "msg": str(error)}
    result["api_calls"] = dict(client.calls) if client else {}
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if not module._diff:
        result.pop("diff", None)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def connected(params: Mapping[str, Any], hint: str = DELEGATED) -> Client:
    """A client with these options of the connection.

    Raises InputError if the library, or a required option, is missing: the message names all of them, and ends with ``hint``; or if a
    number is out of range. Otherwise raises as :class:`Client`.
    """
    check_numbers(params)
    if missing := _missing(params, hint):
        raise InputError(missing)
    return Client(Config(**{option: params[option] for option in (*CONNECTION, "parallelism") if option in params}))


def _missing(params: Mapping[str, Any], hint: str) -> str:
    """One line that names all that a connection lacks; empty if nothing is missing."""
    names = [f"{option} (or {_from_environment(option)[1][0]} in the environment)" for option in REQUIRED if not params[option]]
    options = f"missing: {', '.join(names)}. {hint}" if names else ""
    if not HAS_REQUESTS:
        return f"{missing_required_lib('requests')}{' Also ' if options else ''}{options}"
    return options


def reading_deadline(client: Client) -> Deadline:
    """For the modules that only read, and so have no ``wait_timeout``: five minutes for all their calls together."""
    return Deadline(client.clock, 300)


def progress_file(module: AnsibleModule) -> ProgressFile:
    """Where the action plugin may watch. Not ``module.tmpdir``: that would create a folder if there is none."""
    return ProgressFile(module._tmpdir)


def check_numbers(params: Mapping[str, Any]) -> None:
    """Raises InputError for a number out of range."""
    for option, least, most in (("request_timeout", 1, 3600), ("wait_timeout", 1, 7 * 86400), ("parallelism", 1, 64)):
        if option in params and not least <= params[option] <= most:
            raise InputError(f"{option} is {params[option]}: it must be a number from {least} to {most}.")


def ids(params: dict[str, Any], option: str) -> list[str] | None:
    """A list of ids, or None if the option was omitted.

    Raises InputError for an empty list, an empty or null entry (an empty DiskID could list everything), or one given twice.
    """
    given: Sequence[str] | None = params[option]
    if given is None:
        return None
    if not given:
        raise InputError(f"{option} is an empty list: give at least one id, or omit the option.")
    for index, item in enumerate(given):
        if not item.strip() or item == "None" or item.startswith("__omit_place_holder__"):  # what a template turns a null or omit into
            raise InputError(f"{option} contains an empty or null entry, at position {index + 1}: every entry must be an id.")
        if not item.isprintable() or " " in item:
            raise InputError(f"{option} contains {item!r}, at position {index + 1}: an id has no spaces and no line breaks.")
    twice = sorted(item for item, count in Counter(given).items() if count > 1)
    if twice:
        raise InputError(f"{option} contains {', '.join(twice)} more than once: name each id once.")
    return list(given)


def text(params: dict[str, Any], option: str, most: int) -> str | None:
    """A name, or None if it was omitted. Raises InputError when it is empty or has more than ``most`` characters."""
    given: str | None = params[option]
    if given is not None and not given.strip():
        raise InputError(f"{option} is empty: give it a value, or omit the option.")
    return None if given is None else _short(option, given, most)


def remark(given: Any) -> str:
    """A remark, up to 100 characters; empty if it was omitted. Raises InputError."""
    return "" if given is None else _short("remark", str(given), REMARK_LENGTH)


def _short(option: str, given: str, most: int) -> str:
    if len(given) > most:
        raise InputError(f"{option} has {len(given)} characters, and the API allows {most}: {given!r}.")
    return given

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users set: variables of roles, checked against the argument specs of these roles."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROLES = Path(__file__).resolve().parents[2] / "roles"


def validated(role: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The variables in the types that the role's argument spec gives them, and what is wrong with them, in one line, or empty."""
    options = {name: _options(role)[name] for name in variables}
    given = {name: as_list(value) if options[name]["type"] == "list" else value for name, value in variables.items()}
    checked = ArgumentSpecValidator(options).validate(given)
    return checked.validated_parameters, " ".join(" ".join(checked.error_messages).split())


@functools.cache
def _options(role: str) -> dict[str, Any]:
    spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options: dict[str, Any] = spec["argument_specs"]["main"]["options"]
    return options


def as_list(value: Any) -> list[Any]:
    """The entries of a list that may be given as text, ``a``, ``a,b`` or ``["a", "b"]``, as by ``-e`` or an INI inventory; or empty."""
    if isinstance(value, (list, tuple)):
        return [entry for part in value for entry in as_list(part)]
    if not isinstance(value, str):
        return [] if value is None else [value]
    text = value.strip()
    if text.startswith("[") and text.endswith("]"):
        with contextlib.suppress(yaml.YAMLError):
            return as_list(yaml.safe_load(text))
    return [part.strip() for part in text.split(",") if part.strip()]

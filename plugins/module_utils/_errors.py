# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""All errors of the API as one tree of exceptions, and one table from return codes to classes.

The four branches answer the question that matters before a retry: was the request carried out?
"""

from __future__ import annotations


class UCloudStackError(Exception):
    """The root. ``str()`` is a human-readable message in one line.

    ``ret_code`` is the API's RetCode, ``request_id`` the platform's id of the request; None if the platform returned none.
    """

    def __init__(self, msg: str, ret_code: int | None = None, request_id: str | None = None) -> None:
        super().__init__(msg)
        self.ret_code = ret_code
        self.request_id = request_id


class NotSentError(UCloudStackError):
    """The request did not reach the API, so it may be sent again."""


class UnknownOutcomeError(UCloudStackError):
    """The request may have been carried out: check for its effect before anything else."""


class RefusedError(UCloudStackError):
    """Nothing was done, and a later attempt may succeed."""


class TooFrequentError(RefusedError):
    """The API rejects the request because there are too many.

    ``retry_after``: for how many seconds it wants none, 0 if it does not say.
    """

    def __init__(self, msg: str, ret_code: int | None = None, request_id: str | None = None, retry_after: float = 0.0) -> None:
        super().__init__(msg, ret_code, request_id)
        self.retry_after = retry_after


class WrongStateError(RefusedError):
    """A state forbids the request. This is permanent unless the state is transitional."""


class FatalError(UCloudStackError):
    """Nothing was done, and a retry would be rejected again."""


class NotFoundError(FatalError):
    """The requested resource does not exist."""


class NoPermissionError(FatalError):
    """The key has no permission for this action."""


class EndpointError(FatalError):
    """The server at the URL is not this API, or cannot be trusted or reached as configured."""


class GatewayError(EndpointError):
    """Something in front of the API responded in its place. It may have forwarded a write nevertheless."""


_TRY_LATER = "Try again later."
_KEYS = "Check public_key and private_key."
_PERMISSION = "Ask the administrator to allow this action for the key."
_OPTIONS = "Check the options of the task."
_REGION = "Check the options region and zone."
_WAIT = "This is usually temporary."
_SUPPORT = "Ask the administrator of the platform."
_SNAPSHOT_LIMIT = "Delete snapshots of this disk that are no longer needed, or ask the administrator to raise the limit."
_STATE_OR_ACCOUNT = "A transitional state is waited for; otherwise ask the administrator about the account."
_SHUT_DOWN = "Shut the VM down, or detach the disk, and run the task again."

_QUOTA = "Release resources, or ask the administrator to raise the quota."
_ACCOUNT = "Ask the administrator of the platform, or of the account."
_STORAGE = "Ask the administrator to free or add storage."
_RECYCLE_BIN = "Check the recycle bin."

# The classes are derived from the descriptions in the guides of 1.x and 2.x. If a number has two meanings, the safer class applies.
# No list of 2026 is published.
RETURN_CODES: dict[int, tuple[type[UCloudStackError], str, str]] = {
    2: (UnknownOutcomeError, "internal error", _SUPPORT),
    3: (FatalError, "a parameter is missing", _OPTIONS),
    4: (FatalError, "a parameter is malformed", _OPTIONS),
    100: (UnknownOutcomeError, "the request failed", _TRY_LATER),
    101: (FatalError, "the action is missing", _SUPPORT),
    102: (FatalError, "a parameter is missing, or the credentials are rejected", _KEYS),
    103: (FatalError, "a parameter is missing, or the credentials are rejected", _KEYS),
    104: (FatalError, "a parameter is missing, or the credentials are rejected", _KEYS),
    105: (FatalError, "a parameter is missing, or the credentials are rejected", _KEYS),
    106: (FatalError, "a parameter is missing, or the credentials are rejected", _KEYS),
    107: (FatalError, "a parameter is missing, or the credentials are rejected", _KEYS),
    108: (FatalError, "a parameter is missing, or the credentials are rejected", _KEYS),
    109: (FatalError, "the signature is invalid", _KEYS),
    110: (UnknownOutcomeError, "the platform timed out, or does not know this action", _TRY_LATER),
    111: (NoPermissionError, "no permission", _PERMISSION),
    112: (NoPermissionError, "the IP address of this host is not on the tenant's allowlist", _PERMISSION),
    113: (FatalError, "a parameter is invalid", _OPTIONS),
    114: (NoPermissionError, "no permission", _PERMISSION),
    130: (UnknownOutcomeError, "a service of the platform is unavailable", _TRY_LATER),
    140: (FatalError, "a parameter is invalid", _OPTIONS),
    150: (NoPermissionError, "no permission", _PERMISSION),
    151: (UnknownOutcomeError, "the platform's cache is unavailable", _TRY_LATER),
    152: (UnknownOutcomeError, "a call inside the platform failed", _TRY_LATER),
    153: (UnknownOutcomeError, "the platform's gateway is unavailable", _TRY_LATER),
    154: (FatalError, "the action is missing", _SUPPORT),
    160: (FatalError, "the balance of the account is too low", "Top up the account."),
    161: (FatalError, "a quota is exceeded", _QUOTA),
    162: (FatalError, "the region does not exist", _REGION),
    163: (FatalError, "the zone does not exist", _REGION),
    164: (FatalError, "the administrator forbids the deletion", _SUPPORT),
    165: (TooFrequentError, "too many requests", _WAIT),
    170: (FatalError, "the signature or the public key is missing or not accepted", _KEYS),
    171: (FatalError, "the signature is invalid", _KEYS),
    172: (FatalError, "the login has expired", _KEYS),
    173: (NoPermissionError, "no permission", _PERMISSION),
    177: (FatalError, "the administrator's account is in an abnormal state", _SUPPORT),
    178: (NoPermissionError, "no permission", _PERMISSION),
    199: (TooFrequentError, "too many requests", _WAIT),
    200: (NotFoundError, "the resource does not exist", "Check the ids."),
    201: (WrongStateError, "the resource is in a state that forbids this", _WAIT),
    202: (WrongStateError, "the resource is in a state that forbids this", _WAIT),
    204: (NotFoundError, "the resource is deleted", "Check the ids."),
    205: (NotFoundError, "the resource is destroyed", "Check the ids."),
    206: (FatalError, "the resource has expired", "Renew it first."),
    207: (FatalError, "the resource is of another type", "Check the ids."),
    208: (FatalError, "the resource has reached its limit of bindings", _SUPPORT),
    209: (FatalError, "the administrator forbids the deletion", _SUPPORT),
    229: (FatalError, "a parameter is missing", _OPTIONS),
    240: (NoPermissionError, "no permission", _PERMISSION),
    301: (NoPermissionError, "the IP address of this host is not allowed to log in", _PERMISSION),
    400: (FatalError, "the region is not activated, or its activation has expired", _SUPPORT),
    401: (FatalError, "the region is not activated, or its activation has expired", _SUPPORT),
    402: (FatalError, "the region is not activated, or its activation has expired", _SUPPORT),
    404: (FatalError, "the region is not activated, or its activation has expired", _SUPPORT),
    550: (UnknownOutcomeError, "system error", _SUPPORT),
    559: (UnknownOutcomeError, "system error", _SUPPORT),
    560: (UnknownOutcomeError, "the system is busy", _TRY_LATER),
    651: (FatalError, "the project does not exist", "Check the option project_id."),
    1000: (FatalError, "the image does not exist, or cannot be used", "Check the ids."),
    1001: (FatalError, "the image does not exist, or cannot be used", "Check the ids."),
    1002: (FatalError, "the image does not exist, or cannot be used", "Check the ids."),
    1003: (FatalError, "the image does not exist, or cannot be used", "Check the ids."),
    1004: (NotFoundError, "the VM does not exist", "Check the ids."),
    1005: (WrongStateError, "the VM is in a state that forbids this (2.x), or the account is frozen (1.x)", _STATE_OR_ACCOUNT),
    1006: (WrongStateError, "the VM is in a state that forbids this (2.x), or the account is not activated (1.x)", _STATE_OR_ACCOUNT),
    1008: (FatalError, "the image is in use", "Check the ids."),
    1014: (FatalError, "the VM is not shut down", _SHUT_DOWN),
    1016: (RefusedError, "an image of the VM is being created", _WAIT),
    1019: (RefusedError, "the platform is short of physical resources", _TRY_LATER),
    2000: (FatalError, "the VM is not shut down", _SHUT_DOWN),
    2005: (FatalError, "the VM is not shut down", _SHUT_DOWN),
    2011: (WrongStateError, "the VM does not exist, or is in a state that forbids this", _WAIT),
    2015: (WrongStateError, "the VM is not running", _WAIT),
    2039: (RefusedError, "a network interface of the VM is not in a stable state", _WAIT),
    2041: (RefusedError, "a disk of the VM is not in a stable state", _WAIT),
    2042: (RefusedError, "a load balancer backend of the VM is not in a stable state", _WAIT),
    2201: (NotFoundError, "the disk does not exist", "Check the disk id, the region and the zone."),
    2202: (FatalError, "the disk is in use", "Detach the disk first."),
    2203: (FatalError, "the size of the disk is invalid", _OPTIONS),
    2204: (FatalError, "the VM has reached its limit of disks", "Detach a disk first."),
    2205: (NotFoundError, "the disk does not exist", "Check the disk id, the region and the zone."),
    2206: (WrongStateError, "the disk is in a state that forbids this", _WAIT),
    2207: (FatalError, "the disk has snapshots", "Delete its snapshots first."),
    2208: (FatalError, "the storage cluster is full", _STORAGE),
    2209: (FatalError, "the quota of disks is exceeded", _QUOTA),
    2500: (FatalError, "the disk has reached its limit of snapshots", _SNAPSHOT_LIMIT),
    2501: (FatalError, "the VM of the disk is not shut down", _SHUT_DOWN),
    2502: (RefusedError, "a snapshot of the disk is being created or rolled back", _WAIT),
    5000: (RefusedError, "the disk is not in a stable state", _WAIT),
    5001: (FatalError, "a disk cannot be shrunk", _OPTIONS),
    5002: (FatalError, "the disk is in the recycle bin", "Restore the disk first."),
    5003: (FatalError, "the size of the disk is out of range", _OPTIONS),
    7000: (FatalError, "the disk has reached its limit of snapshots", _SNAPSHOT_LIMIT),
    7001: (RefusedError, "the snapshot is not in a stable state", _WAIT),
    7002: (RefusedError, "a disk is being created from the snapshot", _WAIT),
    8100: (FatalError, "the resource in the recycle bin has expired", "Renew it first."),
    8101: (FatalError, "the resource is no longer in the recycle bin", _RECYCLE_BIN),
    8102: (NotFoundError, "the resource was removed from the recycle bin", _RECYCLE_BIN),
    14002: (NoPermissionError, "no permission for the storage cluster", _PERMISSION),
    14004: (FatalError, "no storage cluster has free space", _STORAGE),
    14006: (FatalError, "the storage cluster is full", _STORAGE),
    17005: (FatalError, "a quota of the tenant is exceeded", _QUOTA),
    20001: (FatalError, "the tenant or the account is frozen or in an abnormal state", _ACCOUNT),
    20003: (FatalError, "the tenant or the account is frozen or in an abnormal state", _ACCOUNT),
    23000: (FatalError, "the billing account does not exist", _ACCOUNT),
    23001: (FatalError, "the balance of the account is too low", "Top up the account."),
    27002: (FatalError, "the tenant or the account is frozen or in an abnormal state", _ACCOUNT),
    27004: (FatalError, "the tenant or the account is frozen or in an abnormal state", _ACCOUNT),
    56000: (FatalError, "the storage cluster is full", _STORAGE),
}


def refusal(action: str, ret_code: int, message: str, request_id: str | None = None) -> UCloudStackError:
    """The exception for a RetCode other than 0. ``message`` is the API's own, printable. An unknown code is treated as permanent."""
    details = f"RetCode {ret_code}" + (f", request {request_id}" if request_id else "") + (f": {message}" if message else "")
    kind, meaning, advice = RETURN_CODES.get(ret_code, (FatalError, "unknown return code", "Look it up in the API guide of your platform."))
    return kind(f"{action}: {meaning} ({details}). {advice}", ret_code, request_id)

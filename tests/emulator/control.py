# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API, for tests: look at the calls and the state, set faults and timers, add disks. Needs no signature."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.errors import ApiError
from emulator.faults import Faults
from emulator.fields import BadFields, Option, flag, number, read_fields, text, texts, whole
from emulator.state import State

_TIMER = {
    "disk_ids": Option(texts, "a list of ids"),
    "every": Option(number(0.1), "a number of seconds from 0.1"),
    "keep": Option(whole(1), "a whole number from 1", 10),
    "name": Option(text, "a text", "auto"),
}
_DISK = {
    "name": Option(text, "a text"),
    "size_gb": Option(whole(1), "a whole number from 1"),
    "vm_id": Option(lambda value: isinstance(value, str), "an id", ""),
    "external": flag(False),
}
_VM = {
    "name": Option(text, "a text"),
    "boot_gb": Option(whole(1), "a whole number from 1", 1),
    "data_gb": Option(whole(0), "a whole number from 0", 1),
    "memory_mb": Option(whole(1), "a whole number from 1", 256),
}


def routes(state: State, faults: Faults) -> list[Route]:
    """``/calls``, ``/state`` (GET), ``/faults``, ``/timers`` (GET, POST, DELETE), ``/disks`` and ``/vms`` (POST)."""

    def get_calls(request: Request) -> Response:
        return JSONResponse(state.calls())

    def delete_calls(request: Request) -> Response:
        state.forget_calls()
        return Response(status_code=204)

    def get_state(request: Request) -> Response:
        state.advance()
        return JSONResponse(overview(state))

    def get_faults(request: Request) -> Response:
        return JSONResponse(faults.report())

    def delete_faults(request: Request) -> Response:
        with state.transaction():
            faults.clear()
        return Response(status_code=204)

    def post_faults(specs: Any) -> Response:
        with state.transaction():
            faults.add(specs)
        return Response(status_code=204)

    def get_timers(request: Request) -> Response:
        return JSONResponse([asdict(timer) for timer in state.timers()])

    def delete_timers(request: Request) -> Response:
        state.remove_timers()
        return Response(status_code=204)

    def post_timers(spec: Any) -> Response:
        return JSONResponse({"id": state.add_timer(**_read("a timer", spec, _TIMER))})

    def post_disks(spec: Any) -> Response:
        fields = _read("a disk", spec, _DISK)
        if fields["vm_id"]:
            state.vm(fields["vm_id"])
        return JSONResponse({"id": state.add_disk(**fields)})

    def post_vms(spec: Any) -> Response:
        vm = state.vm(state.add_vm(**_read("a VM", spec, _VM)))
        return JSONResponse({"id": vm.id, "ssh_port": vm.ssh_port})

    return [
        Route("/calls", get_calls, methods=["GET"]),
        Route("/calls", delete_calls, methods=["DELETE"]),
        Route("/state", get_state, methods=["GET"]),
        Route("/faults", get_faults, methods=["GET"]),
        Route("/faults", _with_body(post_faults), methods=["POST"]),
        Route("/faults", delete_faults, methods=["DELETE"]),
        Route("/timers", get_timers, methods=["GET"]),
        Route("/timers", _with_body(post_timers), methods=["POST"]),
        Route("/timers", delete_timers, methods=["DELETE"]),
        Route("/disks", _with_body(post_disks), methods=["POST"]),
        Route("/vms", _with_body(post_vms), methods=["POST"]),
    ]


def _with_body(take: Callable[[Any], Response]) -> Any:
    """An endpoint from a function of the parsed body; what it raises is one line for the one who sent it."""

    async def endpoint(request: Request) -> Response:
        try:
            return await run_in_threadpool(take, json.loads(await request.body()))
        except BadFields as error:
            return _bad(str(error))
        except ApiError as error:
            return _bad(error.message)
        except ValueError:
            return _bad("the body is not JSON")

    return endpoint


def _read(what: str, spec: Any, options: dict[str, Option]) -> dict[str, Any]:
    if not isinstance(spec, dict):
        raise BadFields(f"{what} is a JSON object")
    return read_fields(what, spec, options)


def _bad(text: str) -> Response:
    return JSONResponse({"error": text}, 400)


def overview(state: State) -> dict[str, list[dict[str, Any]]]:
    """``{disks, vms, snapshots}``, oldest first, each with id, name, status, and of a disk the path of its ``image``.

    Snapshots that lists hide for the moment are here too, with the status that they really have, and disks in the recycle bin (Deleted).
    Words are those of 1.x. ``ssh_port`` of a VM is 0 if nothing runs it.
    """
    with state.transaction():
        disks = [
            {
                "id": disk.id,
                "name": disk.name,
                "status": disk.status,
                "type": disk.disk_type,
                "size_gb": disk.size_gb,
                "vm_id": disk.vm_id,
                "image": str(state.image(disk.id)),
            }
            for disk in map(state.disk, reversed(state.find_disks(recycled=None)))
        ]
        vms = [
            {
                "id": vm.id,
                "name": vm.name,
                "status": vm.state,
                "ip": vm.ip,
                "disk_ids": state.find_disks(vm_id=vm.id)[::-1],
                "ssh_port": vm.ssh_port,
            }
            for vm in map(state.vm, reversed(state.find_vms()))
        ]
        snapshots = [
            {
                "id": snapshot.id,
                "name": snapshot.name,
                "status": snapshot.status,
                "disk_id": snapshot.disk_id,
                "remark": snapshot.remark,
                "create_time": snapshot.create_time,
                "image": str(state.snapshot_image(snapshot.id)),
            }
            for snapshot in map(state.snapshot, reversed(state.find_snapshots(hidden=True)))
        ]
    return {"disks": disks, "vms": vms, "snapshots": snapshots}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API, for tests: look at the calls and the state, and set faults. Needs no signature."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.faults import BadFault, Faults
from emulator.state import State


def routes(state: State, faults: Faults) -> list[Route]:
    """``/calls`` (GET, DELETE), ``/state`` (GET) and ``/faults`` (GET, POST, DELETE)."""

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

    async def post_faults(request: Request) -> Response:
        try:
            specs = await request.json()
        except ValueError:
            return _bad("faults are a JSON list of objects")
        try:
            await run_in_threadpool(_add, specs)
        except BadFault as error:
            return _bad(str(error))
        return Response(status_code=204)

    def _add(specs: Any) -> None:
        with state.transaction():
            faults.add(specs)

    return [
        Route("/calls", get_calls, methods=["GET"]),
        Route("/calls", delete_calls, methods=["DELETE"]),
        Route("/state", get_state, methods=["GET"]),
        Route("/faults", get_faults, methods=["GET"]),
        Route("/faults", post_faults, methods=["POST"]),
        Route("/faults", delete_faults, methods=["DELETE"]),
    ]


def _bad(text: str) -> Response:
    return JSONResponse({"error": text}, 400)


def overview(state: State) -> dict[str, list[dict[str, Any]]]:
    """``{disks, vms, snapshots}``, oldest first, each with id, name, status, and of a disk the path of its ``image``.

    Snapshots that lists hide for the moment are here too, with the status that they really have.
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
            for disk in map(state.disk, reversed(state.find_disks()))
        ]
        vms = [
            {"id": vm.id, "name": vm.name, "status": vm.state, "ip": vm.ip, "disk_ids": state.find_disks(vm_id=vm.id)[::-1]}
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

#!/usr/bin/env python3
"""A stateful stand-in for ``systemctl --user`` as a real executable; its world is the JSON file of
``$FAKE_SYSTEMCTL_STATE``.

``reachable`` false: no user manager answers. ``fate``: how the service ends right after its start (null: it runs).
"""

import json
import os
import sys
from pathlib import Path


def main() -> int:
    file = Path(os.environ["FAKE_SYSTEMCTL_STATE"])
    at = {"reachable": True, "fate": None, "fails": None, "active": [], "enabled": [], "pid": 0, "calls": []}
    at |= json.loads(file.read_text()) if file.exists() else {}
    _user, verb, *units = sys.argv[1:]
    at["calls"].append([verb, *units])
    status = obey(at, verb, [unit for unit in units if not unit.startswith("--")], units)
    file.write_text(json.dumps(at))
    return status


def obey(at: dict, verb: str, units: list[str], raw: list[str]) -> int:
    if not at["reachable"]:
        print("Failed to connect to bus: No medium found", file=sys.stderr)
        return 1
    if verb == at["fails"]:
        print(f"Failed to {verb}: unit is masked.", file=sys.stderr)
        return 1
    if verb in ("start", "restart"):
        at["active"] = sorted({*at["active"], *units} - ({"innkeepd.service"} if at["fate"] else set()))
        if "innkeepd.service" in units:
            at["pid"] += 1
    elif verb == "stop":
        at["active"] = [unit for unit in at["active"] if unit not in units]
    elif verb == "enable":
        at["enabled"] = sorted({*at["enabled"], *units})
    elif verb == "disable":
        at["enabled"] = [unit for unit in at["enabled"] if unit not in units]
        at["active"] = [unit for unit in at["active"] if unit not in units]
    elif verb == "is-active":
        return 0 if units[0] in at["active"] else 3
    elif verb == "show" and units:
        show(at)
    return 0


def show(at: dict) -> None:
    runs = "innkeepd.service" in at["active"]
    fate = at["fate"] or {}
    print(f"LoadState={'loaded' if at['pid'] else 'not-found'}")
    print(f"ActiveState={'active' if runs else 'activating' if fate else 'inactive'}")
    print(f"MainPID={4000 + at['pid'] if runs else 0}\nNRestarts=0")
    print(f"Result={fate.get('result', 'success')}")
    print(f"ExecMainStatus={fate.get('status', 0)}\nExecMainCode={fate.get('code', 0)}")


if __name__ == "__main__":
    sys.exit(main())

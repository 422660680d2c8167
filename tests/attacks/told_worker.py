"""A real node whose workers get MPyC's own arguments, and write what their engine runs with to `HOME/told`."""

import os
import sys
from pathlib import Path

HOME = Path(os.environ.get("TOLD_HOME") or sys.argv[sys.argv.index("--home") + 1])


def tell():
    from glovebox.node import run
    from glovebox.node.worker import serve

    opened = run.open_shamir

    async def telling(*arguments, **named):
        shamir = await opened(*arguments, **named)
        options = shamir.runtime.options
        variables = sum(name.startswith("MPYC") for name in os.environ)
        (HOME / "told").write_text(
            f"threshold {shamir.threshold}, m {shamir.m}, sec_param {options.sec_param}, no_prss {options.no_prss}, "
            f"mix32_64bit {options.mix32_64bit}, variables {variables}, arrays {hasattr(shamir.integers(8), 'array')}"
        )
        return shamir

    run.open_shamir = telling
    return serve


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        from glovebox.node.starting import main

        sys.argv = [*sys.argv[1:], "-T0", "-M2", "--no-prss", "--mix32-64bit", "-K1"]
        main(tell)
    else:
        os.environ["TOLD_HOME"] = str(HOME)
        from glovebox.node import workers

        workers.COMMAND = [sys.executable, __file__, "worker"]
        from glovebox.cli.main import main

        main()

"""A worker whose imports take longer than its node lets one be silent."""

import time


def imported():
    from glovebox.node.worker import serve

    time.sleep(3)
    return serve


if __name__ == "__main__":
    from glovebox.node.starting import main

    main(imported)

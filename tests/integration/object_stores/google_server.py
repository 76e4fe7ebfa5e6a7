"""A stand-in for Google Cloud Storage. It prints its port; lines of its input make objects older.

Each line is a bucket, a space, and the name of an object, which becomes two days older; the answer
is an empty line.
"""

import sys
from datetime import datetime, timedelta, timezone


def main() -> None:
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    print(server._api._httpd.server_address[1], flush=True)
    for line in sys.stdin:
        bucket, name = line.split()
        old = datetime.now(timezone.utc) - timedelta(days=2)
        text = old.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        server._storage.objects[bucket][name].update(timeCreated=text, updated=text)
        print(flush=True)
    server.stop()


if __name__ == "__main__":
    main()

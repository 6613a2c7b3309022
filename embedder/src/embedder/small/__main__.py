"""python -m embedder.small --port N: Whisper and MiniLM on this machine's CPU."""

import argparse
import socket
import sys

import uvicorn


def main() -> int:
    p = argparse.ArgumentParser("embedder.small", description=__doc__)
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=8092, help="0: a free one, printed when it is ready")
    p.add_argument("--fd", type=int, help="an inherited listening socket, instead of a port")
    p.add_argument("--threads", type=int, default=0, help="of each model; 0: one a core, at most 4")
    a = p.parse_args()
    try:
        from . import minilm, server, whisper
    except ModuleNotFoundError as e:
        print(f"embedder.small: {e}; install its packages with `make small`", file=sys.stderr)
        return 64
    app = server.create(whisper.Whisper(threads=a.threads), minilm.MiniLM(threads=a.threads))
    if a.fd is None:
        listener = socket.create_server((a.host, a.port))
    else:
        listener = socket.socket(fileno=a.fd)
    host, port = listener.getsockname()[:2]
    print(f"listening on http://{host}:{port}/v1", flush=True)
    uvicorn.Server(uvicorn.Config(app, access_log=False)).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())

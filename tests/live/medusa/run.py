"""How a real Medusa with PostgreSQL comes up on loopback, is tested against, and is gone again."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
#: Where npm's packages are kept between two runs.
HOME = Path(os.environ.get("MEDUSA_LIVE_HOME", ROOT / ".venv" / "medusa-live"))
FILES = ("package.json", "package-lock.json", ".npmrc", "medusa-config.js")
EMAIL, PASSWORD = "admin@example.com", "loopback-only"


def say(text: str) -> None:
    print(f"[test-live] {text}", file=sys.stderr, flush=True)


def install() -> None:
    """npm's packages, once for each lock file."""
    if shutil.which("npm") is None:
        sys.exit("npm was not found: Medusa needs Node.js 20 or newer.")
    HOME.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "package-lock.json").read_bytes()
    stamp = HOME / ".installed"
    if stamp.exists() and stamp.read_bytes() == lock:
        for name in FILES:
            shutil.copyfile(HERE / name, HOME / name)
        return
    for name in FILES:
        shutil.copyfile(HERE / name, HOME / name)
    say("installing Medusa (about 700 MB, once) ...")
    # Versions and hashes are the lock file's. `npm ci` would also insist on the optional packages of every other
    # operating system, which not every registry has.
    command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=HOME, check=True, stdout=subprocess.DEVNULL)
    stamp.write_bytes(lock)


def postgres() -> Path:
    """The folder of PostgreSQL's programs; Debian's package, where we may install it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing PostgreSQL ...")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "postgresql"]):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=quiet)
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    if (program := shutil.which("initdb")) is not None:
        return Path(program).parent
    sys.exit("PostgreSQL was not found, and only root may install it: apt-get install postgresql")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """A cluster of its own in `folder`; gives the address of an empty database."""
    programs = postgres()
    # PostgreSQL does not run as root.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres", "postgres")
    data, port = folder / "data", free_port()
    init = [*user, str(programs / "initdb"), "-D", str(data), "-U", "medusa", "-A", "trust", "-E", "UTF8"]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    settings = ("listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}", "fsync=off")
    command = [*user, str(programs / "postgres"), "-D", str(data)]
    for setting in settings:
        command += ["-c", setting]
    with running(command, folder / "postgres.log", {}, stop=signal.SIGINT, cwd=folder):
        create = [str(programs / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "medusa", "medusa"]
        for _ in range(100):
            if subprocess.run(create, capture_output=True, cwd=folder).returncode == 0:
                break
            time.sleep(0.2)
        else:
            sys.exit(f"PostgreSQL did not start:\n{(folder / 'postgres.log').read_text()[-2000:]}")
        yield f"postgres://medusa@127.0.0.1:{port}/medusa"


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str], *, stop: signal.Signals, cwd: Path
) -> Iterator[None]:
    """A program that ends with this block; only what was started here is signalled."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=cwd, env={**os.environ, **environment})
        try:
            yield
        finally:
            process.send_signal(stop)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def medusa(folder: Path, address: str) -> Iterator[str]:
    """The server, its tables made and a user in it; gives its URL."""
    environment = {
        "DATABASE_URL": address,
        "MEDUSA_DISABLE_TELEMETRY": "true",
        "MEDUSA_FF_ANALYTICS": "false",
        "NODE_ENV": "development",
    }
    program = str(HOME / "node_modules" / ".bin" / "medusa")
    for step in (["db:migrate"], ["user", "-e", EMAIL, "-p", PASSWORD]):
        say(f"medusa {step[0]} ...")
        done = subprocess.run(
            [program, *step], cwd=HOME, env={**os.environ, **environment}, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"medusa {step[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "medusa.log"
    command = ["node", program, "start", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, log, environment, stop=signal.SIGTERM, cwd=HOME):
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        else:
            sys.exit(f"Medusa did not start:\n{log.read_text()[-3000:]}")
        yield url


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="print URL and user, and stay until standard input closes")
    serve = parser.parse_args().serve
    install()
    version = json.loads((HOME / "node_modules" / "@medusajs" / "medusa" / "package.json").read_text())["version"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="medusa-live-")))
        folder.chmod(0o755)
        (folder / "db").mkdir()
        url = stack.enter_context(medusa(folder, stack.enter_context(database(folder / "db"))))
        say(f"Medusa {version} listens at {url}")
        settings = {"MEDUSA_LIVE_URL": url, "MEDUSA_LIVE_EMAIL": EMAIL, "MEDUSA_LIVE_PASSWORD": PASSWORD}
        if serve:
            print(json.dumps(settings), flush=True)
            sys.stdin.read()
            return 0
        tests = [sys.executable, "-m", "pytest", "-m", "live", "-q", str(HERE)]
        return subprocess.run(tests, cwd=ROOT, env={**os.environ, **settings}).returncode


if __name__ == "__main__":
    sys.exit(main())

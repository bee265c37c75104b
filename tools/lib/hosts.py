"""Hosts in network namespaces, joined by virtual cables. For root, inside tools/with-deps --private-net."""
import atexit
import ctypes
import os
import signal
import subprocess
import time

_LIBC = ctypes.CDLL(None)
_hosts = []


def _die_with_parent():
    _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives the script that started it


@atexit.register
def stop_all():
    """Stops every host that is still there; runs at the end whatever happened."""
    for host in list(_hosts):
        host.stop()



def run(*command, check=True, quiet=False, timeout=60, **options):
    """Runs a command to its end; on failure says which one and what it printed."""
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, timeout=timeout, **options)
    if check and done.returncode != 0 and not quiet:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
    return done


class Host:
    """A network namespace of its own, with a process that keeps it and an end to everything started in it."""

    def __init__(self, name):
        self.name = name
        self.started = []
        run("ip", "netns", "add", name)
        _hosts.append(self)
        self.run("ip", "link", "set", "lo", "up")
        self.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        self.keeper = self.start("sleep", "infinity")

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    def start(self, *words, **options):
        """Starts a process that stop() ends; returns its Popen."""
        process = subprocess.Popen(self.command(*words), start_new_session=True,
                                   preexec_fn=_die_with_parent, **options)
        self.started.append(process)
        return process

    def enter_hint(self):
        return f"nsenter --net=/proc/{self.keeper.pid}/ns/net"

    def stop(self):
        for process in reversed(self.started):
            end_process(process)
        self.started.clear()
        _hosts.remove(self)
        run("ip", "netns", "del", self.name, check=False)


def end_process(process, patience=10.0):
    """Asks a process to end, waits, then makes it; returns its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:  # it leads no group
                process.kill()
    return process.wait()


class Cable:
    """A veth pair between two hosts: cable(a, "eth0", ["198.18.0.1/24"], b, "eth0", ["198.18.0.2/24"])."""

    def __init__(self, left, left_name, left_addresses, right, right_name, right_addresses, mtu=1500):
        run("ip", "link", "add", left_name, "mtu", mtu, "netns", left.name, "type", "veth",
            "peer", "name", right_name, "mtu", mtu, "netns", right.name)
        for host, name, addresses in ((left, left_name, left_addresses), (right, right_name, right_addresses)):
            for address in addresses:
                family = ["-6"] if ":" in address else []
                nodad = ["nodad"] if ":" in address else []
                host.run("ip", *family, "addr", "add", address, "dev", name, *nodad)
            host.run("ip", "link", "set", name, "up")
        for host, name in ((left, left_name), (right, right_name)):
            wait_until(lambda: "state UP" in host.run("ip", "link", "show", "dev", name).stdout, 10, f"{name} of {host.name} is up")


def wait_until(condition, seconds, what):
    """Polls condition until it gives something true, and returns that; past the deadline an error says what."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Hugepages:
    """Reserves 2 MiB pages beyond those in use, and gives back what it took. `count` 0: takes none."""

    PATH = "/sys/kernel/mm/hugepages/hugepages-2048kB/"

    def __init__(self, count):
        self.before = self._read("nr_hugepages")
        free = self._read("free_hugepages")
        if count > free:
            self._write(self.before + count - free)
        self.available = self._read("free_hugepages")

    def _read(self, name):
        try:
            with open(self.PATH + name, encoding="ascii") as file:
                return int(file.read())
        except OSError:
            return 0

    def _write(self, count):
        try:
            with open(self.PATH + "nr_hugepages", "w", encoding="ascii") as file:
                file.write(str(count))
        except OSError:
            pass  # without pages the programs use ordinary memory

    def give_back(self):
        if self._read("nr_hugepages") != self.before:
            self._write(self.before)

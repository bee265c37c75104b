"""tools/with-deps, as a new user's machine would run it: on the platform, on an older host, and where it cannot work."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from build import TOP

OLD_RELEASE = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'


class Sandbox:
    """This system's root seen through an overlay, so that a test may install, remove and edit without a trace."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="viaduct-sandbox-"))

    def run(self, prepare, command, network=True, **options):
        """Runs two shell texts in the sandbox: prepare, which must work, and command, whose result this is."""
        mounts = f"""set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs {self.folder}
mkdir {self.folder}/upper {self.folder}/work {self.folder}/root
mount -t overlay overlay -o lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work {self.folder}/root
cd {self.folder}/root
for dir in dev proc sys; do mount --rbind /$dir $dir; done
mount -t tmpfs tmpfs tmp  # before what may lie in it
mkdir -p .{TOP} .$HOME
mount --bind {TOP} .{TOP}
mount --bind "$HOME" ".$HOME"
for file in etc/resolv.conf etc/hosts; do mount --bind /$file $file; done
cat > tmp/prepare; mkdir -p run/dpdk
chroot . bash -eu tmp/prepare >&2
cat > tmp/command <<< "$1"
exec {'' if network else 'unshare -n'} chroot . bash -c "cd {TOP} && . /tmp/command"
"""
        return subprocess.run(["unshare", "-m", "bash", "-c", mounts, "sandbox", command], input=prepare, text=True,
                              capture_output=True, timeout=600, **options)

    def stop(self):
        self.folder.rmdir()


class WithDeps(unittest.TestCase):
    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.stop)

    def one_line(self, done, *words):
        """It failed, and the last thing that it said is one line with these words."""
        self.assertNotEqual(done.returncode, 0, done.stdout + done.stderr)
        last = done.stderr.strip().splitlines()[-1]
        self.assertTrue(last.startswith("with-deps: "), done.stderr)
        for word in words:
            self.assertIn(word, last)

    def test_platform_runs_the_command_with_its_status_and_arguments(self):
        done = self.sandbox.run("", "tools/with-deps bash -c 'echo $1; exit 7' x 'two words'")
        self.assertEqual((done.stdout, done.returncode), ("two words\n", 7), done.stderr)

    def test_platform_installs_what_is_missing(self):
        done = self.sandbox.run("dpkg --remove --force-depends nlohmann-json3-dev",
                                "tools/with-deps test -f /usr/include/nlohmann/json.hpp")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("installing 1 packages", done.stderr)

    def test_platform_without_network_says_so(self):
        done = self.sandbox.run("dpkg --remove --force-depends nlohmann-json3-dev", "tools/with-deps true", network=False)
        self.one_line(done, "network")

    def test_platform_without_root_says_so(self):
        done = self.sandbox.run("dpkg --remove --force-depends nlohmann-json3-dev",
                                "setpriv --reuid 65534 --clear-groups tools/with-deps true")
        self.one_line(done, "root")

    def test_older_host_runs_the_command_in_the_root_at_the_same_path(self):
        done = self.sandbox.run(f"echo '{OLD_RELEASE}' > /etc/os-release",
                                "tools/with-deps bash -c 'pwd; . /etc/os-release; echo $VERSION_ID; ip netns add seen && ip netns'")
        self.assertEqual(done.returncode, 0, done.stderr)
        folder, version, namespace = done.stdout.split()[:3]
        self.assertEqual(folder, str(TOP))
        self.assertGreaterEqual(int(version), 13)
        self.assertEqual(namespace, "seen")
        self.assertFalse(Path("/run/netns/seen").exists(), "the namespace outlived the command")

    def test_older_host_without_room_says_so(self):
        done = self.sandbox.run(f"echo '{OLD_RELEASE}' > /etc/os-release; mkdir /tmp/small; mount -t tmpfs -o size=8m tmpfs /tmp/small",
                                "VIADUCT_CACHE=/tmp/small tools/with-deps true")
        self.one_line(done, "4 GB", "VIADUCT_CACHE")

    def test_an_unknown_group_is_named(self):
        done = subprocess.run([str(TOP / "tools/with-deps"), "--group", "toys", "true"], text=True, capture_output=True,
                              env=dict(os.environ), timeout=60)
        self.one_line(done, "toys")

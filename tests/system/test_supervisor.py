# SPDX-License-Identifier: Apache-2.0
"""test_supervisor.py PROGRAM: what the supervisor promises (hub/supervisor.h, hub/store_server.h), seen from outside.

Nothing here waits for a span of time and hopes: lines of the log, ends of processes and answers are waited for, with a deadline.
"""
import base64
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from datetime import datetime

PROGRAM = ""
PATIENCE_S = 30  # a slow machine under sanitizers; a pass never takes so long
SECRET = "0123456789abcdef0123456789abcdef"

# Answers PING, and nothing ends it but SIGKILL.
HANGING_SERVER = """#!%s
import signal, socket
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind("redis.sock")
    listener.listen()
    while True:
        with listener.accept()[0] as link:
            link.recv(100)
            link.sendall(b"+PONG\\r\\n")
"""


def environment(**more):
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
    return {**kept, **more}


class Lines:
    """The lines of a pipe, waited for by pattern."""

    def __init__(self, pipe):
        self.lines, self.ended, self.news = [], False, threading.Condition()
        self.thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self.thread.start()

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                with self.news:
                    self.lines.append(line.rstrip("\n"))
                    self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def wait(self, pattern, count=1):
        """The match in the count-th line that has one."""
        def found():
            matches = [match for match in (re.search(pattern, line) for line in self.lines) if match]
            return matches[count - 1] if len(matches) >= count else None

        with self.news:
            self.news.wait_for(lambda: found() or self.ended, PATIENCE_S)
            if not found():
                raise AssertionError("no line %d with %r in:\n%s" % (count, pattern, "\n".join(self.lines)))
            return found()

    def time_of(self, pattern):
        """When the first line was logged that has one."""
        return datetime.strptime(self.wait(r"^(\S+Z) .*" + pattern).group(1), "%Y-%m-%dT%H:%M:%S.%fZ")

    def count(self, pattern):
        with self.news:
            return sum(1 for line in self.lines if re.search(pattern, line))


def wait_gone(pid, seconds=PATIENCE_S):
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([fd], [], [], seconds)[0]:
            raise AssertionError("process %d still lives" % pid)
    finally:
        os.close(fd)


def kill_if_it_lives(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def ask_store(folder, *words):
    """One command to the Redis of a folder, its answer as bytes. The folder's path may be longer than a socket's may."""
    fd = os.open(folder, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PATIENCE_S)
            link.connect("/proc/self/fd/%d/redis.sock" % fd)
            link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words))
            return link.recv(4096)
    finally:
        os.close(fd)


class Hub:
    def __init__(self, folder, *options, **env):
        self.folder = folder
        env = {"BELFRY_LISTEN": "127.0.0.1:0", "BELFRY_DEV": "yes", "BELFRY_WORKERS": "2", "BELFRY_DATA": folder, **env}
        self.process = subprocess.Popen([PROGRAM, "serve", *options], env=environment(**env), text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.out, self.log = Lines(self.process.stdout), Lines(self.process.stderr)

    def wait_ready(self):
        try:
            self.url = self.out.wait(r"^Belfry is ready: (http://127\.0\.0\.1:(\d+)/)$")
        except AssertionError as error:
            self.log.thread.join(1)
            raise AssertionError("%s\nThe log:\n%s" % (error, "\n".join(self.log.lines))) from None
        self.log.wait("The hub serves")  # the two pipes are read by two threads: now all pids are known
        self.port = int(self.url.group(2))
        return self

    def pid_of(self, name, start=1):
        return int(self.log.wait(r"A child is started\. name=%s child_pid=(\d+)" % name, start).group(1))

    def pids(self):
        """Of all children that were ever started."""
        with self.log.news:
            found = (re.search(r"A child is started\. .*child_pid=(\d+)", line) for line in self.log.lines)
            return [int(match.group(1)) for match in found if match]

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def answer(self):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as link:
            link.settimeout(PATIENCE_S)
            return b"".join(iter(lambda: link.recv(4096), b"")).decode()


class Case(unittest.TestCase):
    def setUp(self):
        self.parent = tempfile.mkdtemp(prefix="belfry.")
        self.addCleanup(shutil.rmtree, self.parent, ignore_errors=True)
        self.folder = os.path.join(self.parent, "data")

    def start(self, *options, **env):
        hub = Hub(self.folder, *options, **env)

        def end():
            if hub.process.poll() is None:
                hub.process.kill()
                hub.process.wait()
            for pid in hub.pids():
                wait_gone(pid)

        self.addCleanup(end)
        return hub

    def run_program(self, *words, **env):
        return subprocess.run([PROGRAM, *words], env=environment(**env), text=True, capture_output=True, timeout=PATIENCE_S)


class Life(Case):
    def test_the_ready_line_names_a_port_that_answers(self):
        hub = self.start().wait_ready()
        self.assertIn("pid=", hub.answer())
        self.assertEqual(ask_store(self.folder, "PING"), b"+PONG\r\n")

    def test_sigterm_ends_workers_then_redis_and_the_status_is_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            hub = self.start().wait_ready()
            self.assertEqual(hub.end(number), 0)
            for pid in hub.pids():
                wait_gone(pid, 0)
            hub.log.wait("The hub has ended")
            ends = [line for line in hub.log.lines if "has ended as told" in line]
            self.assertEqual(len(ends), 3, ends)
            self.assertIn("name=redis", ends[-1])

    def repeat_sigterm(self, hub):
        """Says it ten times a second until the process ends."""
        for _ in range(10 * PATIENCE_S):
            hub.process.send_signal(signal.SIGTERM)
            try:
                hub.process.wait(0.1)
                return
            except subprocess.TimeoutExpired:
                pass
        raise AssertionError("the hub does not end")

    def test_a_second_sigterm_kills_a_worker_that_does_not_listen(self):
        hub = self.start(BELFRY_DOUBLE="stubborn", BELFRY_DRAIN="10m").wait_ready()
        hub.process.send_signal(signal.SIGTERM)
        hub.log.wait("heard a signal. signal=15", 2)
        self.repeat_sigterm(hub)
        self.assertEqual(hub.process.returncode, 0)
        hub.log.wait("The hub has ended")
        waited = hub.log.time_of("A child is killed") - hub.log.time_of("The hub drains and ends")  # by its own clock: we may be slow
        self.assertGreater(waited.total_seconds(), 0.49, "the same wish, said twice at once, is no haste")
        self.assertEqual(hub.log.count("A child is killed. name=worker"), 2)

    def test_a_worker_that_does_not_drain_in_time_is_killed_and_redis_serves_until_then(self):
        hub = self.start(BELFRY_DOUBLE="stubborn", BELFRY_DRAIN="1ms").wait_ready()
        self.assertEqual(hub.end(), 0)
        hub.log.wait("The hub has ended")
        story = [line for line in hub.log.lines if re.search("is killed|has ended as told", line)]
        self.assertEqual([re.search(r"name=(\w+?)\d? ", line).group(1) for line in story], ["worker"] * 4 + ["redis"], story)

    def test_ctrl_c_at_the_terminal_ends_redis_last_too(self):
        hub = self.start().wait_ready()
        redis = hub.pid_of("redis")
        self.assertNotEqual(os.getpgid(redis), os.getpgid(hub.process.pid))
        for worker in ("worker1", "worker2"):
            os.kill(hub.pid_of(worker), signal.SIGINT)
        self.assertEqual(hub.end(signal.SIGINT), 0)
        self.assertEqual(hub.log.count("has died"), 0)


class Deaths(Case):
    def test_a_killed_worker_is_started_again_and_the_other_goes_on(self):
        hub = self.start().wait_ready()
        first, other = hub.pid_of("worker1"), hub.pid_of("worker2")
        os.kill(first, signal.SIGKILL)
        hub.log.wait(r"A child has died and is started again\. name=worker1 child_pid=%d signal=9" % first)
        again = hub.pid_of("worker1", 2)
        hub.log.wait("A child is ready. name=worker1 child_pid=%d" % again)
        self.assertEqual(hub.log.count(r"A child is started\. name=worker2"), 1)
        os.kill(other, 0)
        os.kill(other, signal.SIGKILL)
        hub.log.wait("A child is ready. name=worker2 child_pid=%d" % hub.pid_of("worker2", 2))
        self.assertIn("restarts=1", hub.answer())

    def test_a_killed_redis_is_started_again_with_its_data_and_the_workers_go_on(self):
        hub = self.start().wait_ready()
        self.assertEqual(ask_store(self.folder, "SET", "bell", "rings"), b"+OK\r\n")
        os.kill(hub.pid_of("redis"), signal.SIGKILL)
        again = hub.pid_of("redis", 2)
        hub.log.wait("A child is ready. name=redis child_pid=%d" % again)
        self.assertEqual(ask_store(self.folder, "GET", "bell"), b"$5\r\nrings\r\n")
        self.assertEqual(hub.log.count("died .*name=worker"), 0)

    def test_a_worker_that_always_dies_is_tried_again_and_again_and_the_hub_can_be_ended(self):
        hub = self.start(BELFRY_DOUBLE="broken")
        hub.log.wait("name=worker1 .*status=1", 4)
        self.assertEqual(hub.end(), 0)
        self.assertEqual(hub.out.lines, [])

    def test_all_children_end_with_a_killed_supervisor_and_the_next_one_starts_at_once(self):
        hub = self.start().wait_ready()
        listen = "127.0.0.1:%d" % hub.port
        for turn in range(3):
            self.assertEqual(ask_store(self.folder, "RPUSH", "turns", str(turn)), b":%d\r\n" % (turn + 1))
            before = hub
            hub.process.kill()
            hub = self.start("--listen", listen).wait_ready()
            for pid in before.pids():
                wait_gone(pid, 5)
        self.assertEqual(ask_store(self.folder, "LLEN", "turns"), b":3\r\n")

    def test_children_that_die_in_the_same_moment_all_come_back(self):
        hub = self.start().wait_ready()
        for pid in hub.pids():
            os.kill(pid, signal.SIGKILL)
        for name in ("redis", "worker1", "worker2"):
            hub.log.wait("A child is ready. name=%s child_pid=%d" % (name, hub.pid_of(name, 2)))


class Folder(Case):
    def test_a_second_hub_on_the_folder_is_refused(self):
        self.start().wait_ready()
        second = self.start()
        self.assertEqual(second.process.wait(PATIENCE_S), 1)
        second.log.wait("^belfry: another hub uses the data folder ")
        self.assertEqual(ask_store(self.folder, "PING"), b"+PONG\r\n")

    def test_a_redis_of_a_killed_run_that_hangs_is_killed(self):
        # A stopped Redis would not do: the kernel wakes the stopped group of a parent that dies (setpgid(2), orphaned groups).
        hanging = os.path.join(self.parent, "redis-server")
        with open(hanging, "w") as file:
            file.write(HANGING_SERVER % sys.executable)
        os.chmod(hanging, 0o700)
        hub = self.start(BELFRY_REDIS_SERVER=hanging).wait_ready()
        redis = hub.pid_of("redis")
        self.addCleanup(kill_if_it_lives, redis)
        hub.process.kill()
        hub.process.wait()
        again = self.start().wait_ready()
        again.log.wait("of an earlier run still holds the data folder.*signal=15 servers=1")
        again.log.wait("of an earlier run still holds the data folder.*signal=9 servers=1")
        wait_gone(redis)
        self.assertEqual(ask_store(self.folder, "PING"), b"+PONG\r\n")

    def test_a_stranger_that_holds_the_lock_is_left_alone(self):
        os.mkdir(self.folder)
        stranger = subprocess.Popen(["flock", "lock", "cat"], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(stranger.communicate)
        stranger.stdin.write(b"held\n")
        stranger.stdin.flush()
        self.assertEqual(stranger.stdout.readline(), b"held\n")
        hub = self.start()
        self.assertEqual(hub.process.wait(PATIENCE_S), 1)
        hub.log.wait("belfry: another process holds .*/lock")
        self.assertIsNone(stranger.poll())

    def test_a_hub_that_waits_for_the_lock_can_be_ended(self):
        os.mkdir(self.folder)
        stranger = subprocess.Popen(["flock", "lock", "cat"], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(stranger.communicate)
        stranger.stdin.write(b"held\n")
        stranger.stdin.flush()
        self.assertEqual(stranger.stdout.readline(), b"held\n")
        hub = self.start()
        hub.log.wait("still holds the data folder")
        self.assertEqual(hub.end(), 0)

    def test_a_path_too_long_for_a_socket_or_odd_for_a_url_will_do(self):
        for name in ("long" * 40, "odd? %41#"):
            self.folder = os.path.join(self.parent, name)
            hub = self.start().wait_ready()
            self.assertIn("redis=unix:///proc/self/fd/", hub.answer())
            self.assertEqual(ask_store(self.folder, "PING"), b"+PONG\r\n")

    def test_what_is_made_is_for_its_owner_only(self):
        self.start().wait_ready()
        self.assertEqual(stat.S_IMODE(os.stat(self.folder).st_mode), 0o700)
        names = os.listdir(self.folder)
        self.assertLessEqual({"jwt-secret", "api-key", "redis.sock", "redis.log", "lock"}, set(names))
        for name in names:
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.folder, name)).st_mode) & 0o077, 0, name)

    def server_that_tells_its_environment(self):
        """Redis writes its title over what /proc would tell. Gives the program and where it says it."""
        program, told = os.path.join(self.parent, "redis-server"), os.path.join(self.parent, "environment")
        with open(program, "w") as file:
            file.write("#!/bin/sh\nenv > %s\nexec %s \"$@\"\n" % (told, shutil.which("redis-server")))
        os.chmod(program, 0o700)
        return program, told

    def test_redis_is_given_no_secret_and_no_descriptor_but_its_lock(self):
        program, told = self.server_that_tells_its_environment()
        hub = self.start(BELFRY_JWT_SECRET=SECRET, BELFRY_API_KEY="key-of-the-backend", BELFRY_REDIS_SERVER=program).wait_ready()
        redis = hub.pid_of("redis")
        with open(told) as file:
            names = {line.split("=")[0] for line in file}
        self.assertIn("PATH", names)
        self.assertLessEqual(names, {"PATH", "LANG", "TZ", "PWD", "OLDPWD", "SHLVL", "_"})
        files = [os.readlink("/proc/%d/fd/%s" % (redis, fd)) for fd in os.listdir("/proc/%d/fd" % redis)]
        self.assertIn(os.path.join(self.folder, "lock"), files)
        self.assertNotIn(os.path.join(self.folder, "supervisor.lock"), files)


class Memory(Case):
    """main.c: prefer_huge_pages()"""

    def tunables_of(self, pid):
        with open("/proc/%d/environ" % pid, "rb") as file:
            return [word for word in file.read().split(b"\0") if word.startswith(b"GLIBC_TUNABLES=")]

    def test_all_but_redis_ask_for_huge_pages(self):
        hub = self.start("--log-level", "info").wait_ready()
        for pid in (hub.process.pid, hub.pid_of("worker1")):
            self.assertEqual(self.tunables_of(pid), [b"GLIBC_TUNABLES=glibc.malloc.hugetlb=1"])
        with open("/proc/%d/cmdline" % hub.process.pid, "rb") as file:
            self.assertEqual(file.read().split(b"\0")[:-1], [PROGRAM.encode(), b"serve", b"--log-level", b"info"])
        with open("/proc/%d/comm" % hub.process.pid) as file:
            self.assertEqual(file.read().strip(), os.path.basename(PROGRAM)[:15])

    def test_who_says_something_of_malloc_is_left_alone(self):
        hub = self.start(GLIBC_TUNABLES="").wait_ready()
        self.assertEqual(self.tunables_of(hub.process.pid), [b"GLIBC_TUNABLES="])

    def test_it_starts_through_the_dynamic_loader(self):
        loader = re.search(r"\S+/ld-linux\S+|/lib\S*/ld-\S+", subprocess.run(["ldd", PROGRAM], text=True, capture_output=True, check=True).stdout)
        ended = subprocess.run([loader.group(0), PROGRAM, "serve", "--workers", "none"], env=environment(), text=True, capture_output=True,
                               timeout=PATIENCE_S)
        self.assertEqual(ended.returncode, 2, ended)
        self.assertIn("belfry: ", ended.stderr)


class Reload(Case):
    def test_a_right_edit_reaches_the_workers_and_a_wrong_one_nobody(self):
        path = os.path.join(self.parent, "belfry.ini")

        def write(text):
            with open(path, "w") as file:
                file.write(text)

        write("[hub]\nlog_level = info\n")
        hub = self.start("--config", path).wait_ready()
        write("[hub]\nlog_level = loud\n")
        hub.process.send_signal(signal.SIGHUP)
        hub.log.wait("The new configuration is wrong; the old one stays.*loud")
        write("[hub]\nlog_level = debug\n")
        hub.process.send_signal(signal.SIGHUP)
        hub.log.wait("The configuration is loaded again")
        hub.log.wait("heard a signal. signal=1", 2)
        self.assertEqual(hub.log.count("heard a signal"), 2)
        self.assertEqual(hub.end(), 0)


class Wrong(Case):
    def test_a_wrong_configuration_is_one_line_and_status_2(self):
        good = {"BELFRY_JWT_SECRET": SECRET, "BELFRY_API_KEY": "key-of-the-backend", "BELFRY_DATA": self.folder}
        with open(os.path.join(self.parent, "text"), "w") as file:
            file.write("no PEM\n")
        text = file.name
        rows = [
            ("no port", ["--listen", "127.0.0.1"], {}, "--listen"),
            ("a host's name", ["--listen", "example.org:80"], {}, "--listen"),
            ("an unknown option", ["--lissten", "127.0.0.1:0"], {}, "lissten"),
            ("a level nobody knows", ["--log-level", "loud"], {}, "--log-level"),
            ("too many workers", ["--workers", "100000"], {}, "--workers"),
            ("fewer than no workers", ["--workers", "-1"], {}, "--workers"),
            ("another scheme", ["--redis", "http://127.0.0.1"], {}, "--redis"),
            ("no folder", ["--data", ""], {}, "--data"),
            ("half a TLS pair", ["--tls-cert", text], {}, "TLS needs both"),
            ("a missing certificate", ["--tls-cert", "/nowhere.pem", "--tls-key", text], {}, "/nowhere.pem"),
            ("a certificate that is none", ["--tls-cert", text, "--tls-key", text], {}, "no certificate"),
            ("no secret", [], {"BELFRY_JWT_SECRET": ""}, "BELFRY_JWT_SECRET"),
            ("a short secret", [], {"BELFRY_JWT_SECRET": "short"}, "32"),
            ("no API key", [], {"BELFRY_API_KEY": ""}, "BELFRY_API_KEY"),
            ("no such file", ["--config", "/nowhere.ini"], {}, "/nowhere.ini"),
        ]
        for what, options, env, word in rows:
            with self.subTest(what):
                ended = self.run_program("serve", *options, **{**good, **env})
                self.assertEqual(ended.returncode, 2, ended)
                self.assertEqual(ended.stderr.count("\n"), 1, ended.stderr)
                self.assertTrue(ended.stderr.startswith("belfry: "), ended.stderr)
                self.assertIn(word, ended.stderr)
                self.assertFalse(os.path.exists(self.folder), "it left something behind")

    def test_a_port_in_use_is_said_and_nothing_is_started(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            ended = self.run_program("serve", "--dev", "--data", self.folder, "--listen", "127.0.0.1:%d" % other.getsockname()[1])
        self.assertEqual(ended.returncode, 1)
        self.assertIn("another program listens on 127.0.0.1:", ended.stderr)
        self.assertNotIn("A child is started", ended.stderr)

    def test_a_port_another_hub_shares_is_in_use_too(self):
        hub = self.start().wait_ready()
        ended = self.run_program("serve", "--dev", "--data", self.folder + "2", "--listen", "127.0.0.1:%d" % hub.port)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("another program listens on 127.0.0.1:", ended.stderr)

    def test_a_missing_redis_server_is_said(self):
        ended = self.run_program("serve", "--dev", "--data", self.folder, "--listen", "127.0.0.1:0",
                                 BELFRY_REDIS_SERVER="no-such-server")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("install redis-server", ended.stderr)

    def test_a_redis_that_never_gets_ready_is_given_up_with_its_last_words(self):
        ended = self.run_program("serve", "--dev", "--data", self.folder, "--listen", "127.0.0.1:0", BELFRY_REDIS_SERVER="false")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("was never ready", ended.stderr)

    def test_an_unknown_command_is_status_2(self):
        for words in ([], ["sevre"]):
            self.assertEqual(self.run_program(*words).returncode, 2)


class Tls(Case):
    def make_pair(self, name):
        cert, key = (os.path.join(self.parent, name + end) for end in (".crt", ".key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=" + name, "-keyout", key, "-out", cert], check=True, capture_output=True)
        return cert, key

    def test_a_pair_that_fits_is_taken_and_one_that_does_not_is_refused(self):
        cert, key = self.make_pair("one")
        self.start("--tls-cert", cert, "--tls-key", key).out.wait(r"^Belfry is ready: https://127\.0\.0\.1:\d+/$")
        ended = self.run_program("serve", "--dev", "--data", self.folder + "2", "--tls-key", key, "--tls-cert", self.make_pair("two")[0])
        self.assertEqual((ended.returncode, ended.stderr.count("\n")), (2, 1), ended)
        self.assertIn("that fits", ended.stderr)


class External(Case):
    def test_with_a_redis_of_ones_own_none_is_started(self):
        hub = self.start("--redis", "redis://127.0.0.1:1/0").wait_ready()
        self.assertIn("redis=redis://127.0.0.1:1/0", hub.answer())
        self.assertEqual(hub.log.count("name=redis"), 0)
        self.assertEqual(hub.end(), 0)


class Commands(Case):
    def claims_of(self, token):
        payload = token.strip().split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))

    def test_token_prints_a_token_of_the_user(self):
        before = int(time.time())
        ended = self.run_program("token", "--user", "alice", "--device=phone", "--ttl", "60", BELFRY_JWT_SECRET=SECRET)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        claims = self.claims_of(ended.stdout)
        self.assertEqual((claims["sub"], claims["dev"]), ("alice", "phone"))
        self.assertIn(claims["exp"] - 60, range(before, int(time.time()) + 1))

    def test_token_finds_the_secret_that_development_mode_made(self):
        self.start().wait_ready()
        ended = self.run_program("token", "--user", "alice", "--data", self.folder)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertEqual(self.claims_of(ended.stdout)["sub"], "alice")

    def test_a_token_that_cannot_be_made_is_one_line_and_status_2(self):
        rows = [
            ("no secret", ["--user", "alice", "--data", self.folder], {}, "BELFRY_JWT_SECRET"),
            ("no user", [], {"BELFRY_JWT_SECRET": SECRET}, "--user"),
            ("a user that is no id", ["--user", "a b"], {"BELFRY_JWT_SECRET": SECRET}, "--user"),
            ("a device that is no id", ["--user", "alice", "--device", "a/b"], {"BELFRY_JWT_SECRET": SECRET}, "--device"),
            ("no time", ["--user", "alice", "--ttl", "0"], {"BELFRY_JWT_SECRET": SECRET}, "--ttl"),
            ("a time with a tail", ["--user", "alice", "--ttl", "1h"], {"BELFRY_JWT_SECRET": SECRET}, "--ttl"),
            ("an unknown option", ["--user", "alice", "--color"], {"BELFRY_JWT_SECRET": SECRET}, "color"),
        ]
        for what, options, env, word in rows:
            with self.subTest(what):
                ended = self.run_program("token", *options, **env)
                self.assertEqual((ended.returncode, ended.stdout, ended.stderr.count("\n")), (2, "", 1), ended)
                self.assertIn(word, ended.stderr)

    def test_the_sample_configuration_is_one_that_serve_understands(self):
        path = os.path.join(self.parent, "belfry.ini")
        with open(path, "w") as file:
            file.write(self.run_program("config").stdout)
        hub = self.start("--config", path).wait_ready()
        self.assertEqual(hub.end(), 0)

    def test_help_and_version_are_asked_for_in_many_ways(self):
        for words in (["help"], ["--help"], ["serve", "--help"], ["token", "--help"]):
            ended = self.run_program(*words)
            self.assertEqual(ended.returncode, 0, words)
            self.assertIn("--listen", ended.stdout)
        self.assertRegex(self.run_program("--version").stdout, r"^belfry \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)

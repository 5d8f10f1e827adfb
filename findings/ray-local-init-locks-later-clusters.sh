#!/usr/bin/env bash
# ray 2.60.0, Python 3.11, Linux.
# Expected: `ray.init("local")` is over with `ray.shutdown()`. A cluster that is started later with `ray start --head`
#   takes any driver that reaches its port, as it does on a machine where Ray has never run; and a driver that is turned
#   away for want of a token is told so.
# Seen: the local run leaves a token in ~/.ray/auth_token. From then on `ray start --head` on that machine asks for it,
#   with no word in the command line. A driver with another home (another machine) gets "ConnectionError: Failed to
#   connect to Ray cluster": no word of a token in the exception, and none of an authentication in its type.
# Why our users care: they try `--ray` on one machine first and join others afterwards; the second step then fails in a
#   way that looks like a closed port. A RAY_AUTH_TOKEN in the environment of the local run keeps the home clean; docs/farm.md
#   tells where to copy the token.
set -euo pipefail
work=$(mktemp -d /tmp/f-XXXXXX)
trap '[ -x "$work/venv/bin/ray" ] && [ -f "$work/head.pid" ] && kill -9 $(cat "$work/head.pid") 2>/dev/null; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "ray==2.60.0"
export RAY_USAGE_STATS_ENABLED=0
unset RAY_ADDRESS RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH || true
small=(--num-cpus 1 --object-store-memory 100000000 --include-dashboard false --node-ip-address 127.0.0.1)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

join() { # a driver of another machine: its home is empty
    HOME="$work/other" timeout 120 "$work/venv/bin/python" - "$1" 2>/dev/null <<'PY'
import sys
import ray
try:
    ray.init(f"127.0.0.1:{sys.argv[1]}", log_to_driver=False)
    print("joined")
except Exception as error:
    print(f"{type(error).__name__}: {error}")
PY
}
head_of() { # a cluster started by a user with that home; its processes are noted, so that only they are ended
    before=$(pgrep -f "$work/venv" | sort || true)
    HOME="$1" "$work/venv/bin/ray" start --head --port "$port" --temp-dir "$2" "${small[@]}" >/dev/null 2>&1
    comm -13 <(echo "$before") <(pgrep -f "$work/venv|$2" | sort) >"$work/head.pid"
}
stop_head() { kill -9 $(cat "$work/head.pid") 2>/dev/null || true; rm "$work/head.pid"; sleep 2; }

mkdir "$work/home" "$work/other"
head_of "$work/home" "$work/a"
first=$(join "$port")
echo "before any local run: $first"
stop_head
HOME="$work/home" "$work/venv/bin/python" -c "
import ray
ray.init('local', num_cpus=1, object_store_memory=100 << 20, include_dashboard=False, _temp_dir='$work/b')
ray.shutdown()" >/dev/null 2>&1
echo "left in the home by a local run: $(cd "$work/home" && find . -type f)"
head_of "$work/home" "$work/c"
second=$(join "$port")
echo "after a local run:    $second"
stop_head
[ "$first" = joined ] && [ -f "$work/home/.ray/auth_token" ]
case "$second" in ConnectionError*) ;; *) exit 1 ;; esac
if grep -qi "token\|auth" <<<"$second"; then exit 1; fi

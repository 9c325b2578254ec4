# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the test scripts share. Sourced; sets up $work, a private folder that goes away at exit
# together with every process that `background` started.
#
# From the environment: PLAINFLOW and PLAINFLOW_FORGE, the programs under test.

set -euo pipefail
umask 077
export LC_ALL=C

# shellcheck disable=SC2034 # for the scripts that source this
plainflow=${PLAINFLOW:-plainflow}
work=$(mktemp -d "${TMPDIR:-/tmp}/plainflow-test.XXXXXX")
pids=()
checks=0
failures=0

finish() {
    local status=$?
    trap - EXIT
    if [ ${#pids[@]} -gt 0 ]; then
        kill "${pids[@]}" 2>/dev/null || true
        wait "${pids[@]}" 2>/dev/null || true
    fi
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ] && [ -n "${PF_KEEP-}" ]; then
        echo "kept: $work"
    else
        rm -rf "$work"
    fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

skip() {
    echo "SKIP: $*"
    exit 77
}

# need COMMAND...: skips the test when one is missing
need() {
    local command
    PATH="$PATH:/usr/sbin:/sbin"
    for command in "$@"; do
        command -v "$command" >/dev/null || skip "$command is missing"
    done
}

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# check WHAT COMMAND...: counts, and reports WHAT when the command fails
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" || fail "$what"
}

# The end of every script: says how many checks there were; there must have been some.
conclude() {
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ] && [ "$checks" -gt 0 ]
}

not() {
    ! "$@"
}

same() {
    cmp -s -- "$1" "$2"
}

# background LOG COMMAND...: runs it until the test ends; its id is in $pid
background() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 &
    pid=$!
    pids+=("$pid")
}

# until_true SECONDS COMMAND...: asks every 20 ms
until_true() {
    local ends=$((SECONDS + $1))
    shift
    while ! "$@"; do
        [ $SECONDS -le $ends ] || return 1
        sleep 0.02
    done
}

# run_status EXPECTED COMMAND...: output goes to $work/out and $work/err
run_status() {
    local expected=$1 status=0
    shift
    "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    if [ "$status" -ne "$expected" ]; then
        echo "exit $status, expected $expected: $*"
        tail -n 5 "$work/err"
        return 1
    fi
}

# says PATTERN: the last run_status had it on standard error
says() {
    grep -qiE -- "$1" "$work/err" || {
        echo "no '$1' in: $(head -c 500 "$work/err")"
        return 1
    }
}

# field RESULT FLOW NAME: one value of flows.jsonl
field() {
    jq -r --argjson n "$2" --arg f "$3" 'select(.flow == $n) | .[$f]' "$1/flows.jsonl"
}

flow_count() {
    jq -s length "$1/flows.jsonl"
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of secrets share. Needs lib.sh.

forge=${PLAINFLOW_FORGE:-plainflow-forge}

# forge_into NAME OPTIONS...: $work/NAME.pcap and what belongs to it
forge_into() {
    local name=$1
    shift
    "$forge" -o "$work/$name.pcap" "$@" 2>"$work/forge.err" || {
        cat "$work/forge.err"
        exit 1
    }
}

# plain NAME OPTIONS...: decrypts, and extracts into $work/NAME.plain
plain() {
    local name=$1
    shift
    rm -rf "$work/result" "$work/$name.plain"
    run_status 0 "$plainflow" decrypt --strict -o "$work/result" "$@" &&
        run_status 0 "$plainflow" extract "$work/result" -o "$work/$name.plain"
}

# tree A B: the same files with the same contents; empty files and none are the same
tree() {
    find "$1" "$2" -type f -empty -delete
    diff -rq "$1" "$2"
}

# flows_in RESULT: a line "status reason opened_by" for each flow
flows_in() {
    jq -r '[.status, .reason // "-", .opened_by // "-"] | join(" ")' "$1/flows.jsonl"
}

mode() {
    stat -c %a "$1"
}

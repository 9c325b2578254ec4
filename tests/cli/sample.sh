# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A small capture for tests of the command line: $capture, $key, and its truth. Needs lib.sh.

forge=${PLAINFLOW_FORGE:-plainflow-forge}

make_sample() {
    "$forge" --flows 4 --concurrent 2 --bytes 40K --suite AES128-SHA --suite AES256-GCM-SHA384 \
        --version tls1.2 --seed 7 -o "$work/sample.pcap" >"$work/forge.log" 2>&1 ||
        { cat "$work/forge.log" && exit 1; }
    capture=$work/sample.pcap
    key=$work/sample.key
}

# decrypts STATUS OPTIONS...: into a fresh $result
decrypts() {
    local status=$1
    shift
    result=$work/result
    rm -rf "$result"
    run_status "$status" "$plainflow" decrypt -o "$result" "$@"
}

absent() {
    [ ! -e "$1" ]
}

is() {
    [ "$1" = "$2" ] || {
        echo "'$1' is not '$2'"
        return 1
    }
}

# offers COMMAND: does this build have it?
offers() {
    "$plainflow" --help | grep "plainflow $1 " >/dev/null
}

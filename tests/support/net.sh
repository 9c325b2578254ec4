# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Servers on loopback and captures of them, for tests that source lib.sh first.

# No system-wide OpenSSL policy: old versions and suites are what is tested.
private_openssl() {
    cat >"$work/openssl.cnf" <<-'END'
	openssl_conf = init
	[init]
	ssl_conf = ssl
	[ssl]
	system_default = defaults
	[defaults]
	MinProtocol = TLSv1
	CipherString = ALL:@SECLEVEL=0
	END
    export OPENSSL_CONF="$work/openssl.cnf"
    export GNUTLS_SYSTEM_PRIORITY_FILE=/dev/null
}

# rsa_identity NAME [BITS]: $work/NAME.key and self-signed $work/NAME.crt
rsa_identity() {
    openssl req -x509 -newkey "rsa:${2:-2048}" -nodes -sha256 -days 30 -subj "/CN=$1.test" \
        -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
        -keyout "$work/$1.key" -out "$work/$1.crt" 2>/dev/null
}

listens() {
    grep -qsE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6
}

# free_port: a port below the ones that the kernel gives to clients
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && listens $port; do :; done
    echo $port
}

# wait_server PORT LOG: until it listens; shows the log and skips nothing: a server must start
wait_server() {
    until_true 15 listens "$1" || {
        echo "no server at port $1:"
        cat "$2"
        exit 1
    }
}

# capture_start FILE PORT: everything of that port on loopback, from now on
capture_start() {
    capture_file=$1 capture_port=$2
    local user=()
    [ "$(id -u)" != 0 ] || user=(-Z root)
    rm -f "$work/tcpdump.log" # an earlier capture's would say that this one listens
    background "$work/tcpdump.log" tcpdump -i lo -s 0 -B 65536 --immediate-mode -U "${user[@]}" \
        -w "$1" "port $2"
    capture_pid=$pid
    until_true 10 grep -qs "listening on" "$work/tcpdump.log" || {
        kill -0 "$capture_pid" 2>/dev/null || skip "tcpdump may not capture here: $(tail -n 1 "$work/tcpdump.log")"
        skip "tcpdump does not begin to capture"
    }
}

capture_has_marker() {
    tcpdump -n -r "$capture_file" "udp port $capture_port" 2>/dev/null | grep . >/dev/null
}

# capture_stop: a datagram is sent after all else; once it is in the file, all else is
capture_stop() {
    until_true 5 no_open_connection "$capture_port" || true
    echo marker >"/dev/udp/127.0.0.1/$capture_port"
    until_true 20 capture_has_marker || { echo "the capture does not end" && exit 1; }
    kill -INT "$capture_pid"
    wait "$capture_pid" || true
    if ! grep -q "^0 packets dropped by kernel" "$work/tcpdump.log"; then
        skip "tcpdump lost packets: $(grep dropped "$work/tcpdump.log")"
    fi
}

# Connections of the port that are not over on both sides (TIME_WAIT and LISTEN do not count).
no_open_connection() {
    ! grep -qsE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [0-9A-F]+:[0-9A-F]{4} 0[1-589B]" \
        /proc/net/tcp /proc/net/tcp6
}

# expect_flow RESULT FLOW WHAT C2S S2C: both plaintexts, byte for byte
expect_flow() {
    local result=$1 flow=$2 what=$3
    "$plainflow" cat "$result" "$flow" --c2s >"$work/c2s" || true
    "$plainflow" cat "$result" "$flow" --s2c >"$work/s2c" || true
    check "$what: client's bytes ($(field "$result" "$flow" detail))" same "$4" "$work/c2s"
    check "$what: server's bytes ($(field "$result" "$flow" detail))" same "$5" "$work/s2c"
}

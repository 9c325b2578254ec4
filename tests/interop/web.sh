# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A web walk-through, the same for each server: sizes from nothing to megabytes are fetched and
# their decrypted bodies compared with what was served. Needs lib.sh and net.sh.

sizes=(0 1 100000 3000000)

make_site() {
    local size
    mkdir -p "$work/site"
    chmod 755 "$work" "$work/site"
    for size in "${sizes[@]}"; do
        head -c "$size" /dev/urandom >"$work/site/file.$size"
        chmod 644 "$work/site/file.$size"
    done
}

# fetch PORT SIZE [CURL OPTIONS]: and compare what arrives with what is served
fetch() {
    local port=$1 size=$2
    shift 2
    curl -sS --max-time 60 --cacert "$work/server.crt" --ciphers "$suite:@SECLEVEL=0" --tls-max 1.2 \
        -o "$work/fetched" "$@" "https://localhost:$port/file.$size"
    check "curl fetches $size bytes" same "$work/fetched" "$work/site/file.$size"
}

# body FILE: what follows the first empty line
body() {
    python3 -c 'import sys
sys.stdout.buffer.write(sys.stdin.buffer.read().split(b"\r\n\r\n", 1)[1])' <"$1"
}

# expect_body RESULT FLOW SIZE
expect_body() {
    local what="flow $2, $3 bytes"
    "$plainflow" cat "$1" "$2" --c2s >"$work/request" || true
    "$plainflow" cat "$1" "$2" --s2c >"$work/answer" || true
    check "$what: request" grep -q "^GET /file.$3 HTTP/1.1" "$work/request"
    check "$what: answer" grep -aq "^HTTP/1.1 200" "$work/answer"
    body "$work/answer" >"$work/body" || true
    check "$what: body" same "$work/body" "$work/site/file.$3"
    check "$what: status" test "$(field "$1" "$2" status)" = decrypted
}

# walk PORT: one capture of one connection per size; leaves $work/walk.pcap and $work/walk
walk() {
    local size flow=0
    capture_start "$work/walk.pcap" "$1"
    for size in "${sizes[@]}"; do
        fetch "$1" "$size"
    done
    capture_stop
    rm -rf "$work/walk"
    check "decrypt" run_status 0 "$plainflow" decrypt --strict -k "$work/server.key" -o "$work/walk" \
        "$work/walk.pcap"
    check "flows" test "$(flow_count "$work/walk")" = ${#sizes[@]}
    for size in "${sizes[@]}"; do
        flow=$((flow + 1))
        expect_body "$work/walk" $flow "$size"
    done
}

# nginx with TLS 1.2, TLS 1.3 and HTTP/2 over $work/site; leaves $nginx_pid.
start_nginx() {
    cat >"$work/nginx.conf" <<-END
	daemon off;
	master_process off;
	pid $work/nginx.pid;
	error_log $work/nginx-error.log;
	events { }
	http {
	    access_log off;
	    client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
	    uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
	    server {
	        listen 127.0.0.1:$1 ssl http2;
	        root $work/site;
	        ssl_certificate $work/server.crt;
	        ssl_certificate_key $work/server.key;
	        ssl_protocols TLSv1.2 TLSv1.3;
	        ssl_session_cache builtin;
	    }
	}
	END
    background "$work/nginx.log" nginx -p "$work" -e "$work/nginx-error.log" -c "$work/nginx.conf"
    # shellcheck disable=SC2034 # for the caller
    nginx_pid=$pid
    wait_server "$1" "$work/nginx.log"
}

# The body that a server sent, from HTTP/1.1 or from the DATA frames of HTTP/2 (RFC 9113 section 6.1)
body_of() {
    python3 - "$1" <<-'END'
	import sys

	with open(sys.argv[1], "rb") as f:
	    data = f.read()
	out = b""
	if data.startswith(b"HTTP/1.1"):
	    out = data.split(b"\r\n\r\n", 1)[1]
	else:
	    at = 0
	    while at < len(data):
	        size = int.from_bytes(data[at:at + 3], "big")
	        if data[at + 3] == 0:
	            out += data[at + 9:at + 9 + size]
	        at += 9 + size
	sys.stdout.buffer.write(out)
	END
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Conversations between TLS peers, one after the other in one capture; then what plainflow makes of
# them is compared with what the client sent and received. Needs lib.sh and net.sh.
#
#     talks_begin PORT; openssl_talk ... ; gnutls_talk ... ; talks_check

talk_secrets=() # what talks_check opens the capture with, if not with the server's key

make_payload() {
    local n
    for n in 1 2 17 255 256 1000 3000 1 16 15; do
        head -c "$n" /dev/urandom | base64 -w0 | cut -c "1-$n"
    done >"$work/lines"
    { cat "$work/lines" && echo CLOSE; } >"$work/lines-close"
    rev "$work/lines" >"$work/lines-rev"
}

# openssl s_server that reverses lines, until one says CLOSE
start_openssl() {
    local port=$1
    shift
    background "$work/s_server.log" openssl s_server -accept "127.0.0.1:$port" -rev \
        -key "$work/server.key" -cert "$work/server.crt" -cipher 'kRSA:@SECLEVEL=0' "$@"
    server_pid=$pid
    wait_server "$port" "$work/s_server.log"
}

# gnutls-serv that echoes
start_gnutls() {
    local port=$1
    shift
    background "$work/gnutls-serv.log" gnutls-serv -p "$port" --echo -q --nodb \
        --x509keyfile "$work/server.key" --x509certfile "$work/server.crt" \
        --priority "NORMAL:+VERS-TLS-ALL:-KX-ALL:+RSA:$gnutls_old" "$@"
    server_pid=$pid
    wait_server "$port" "$work/gnutls-serv.log"
}
gnutls_old=+3DES-CBC:+ARCFOUR-128:+AES-128-CCM:+AES-128-CCM-8:+AES-256-CCM:+AES-256-CCM-8
gnutls_old+=:+CAMELLIA-128-CBC:+CAMELLIA-256-CBC:+CAMELLIA-128-GCM:+CAMELLIA-256-GCM
gnutls_old+=:+SHA256:+SHA1:+MD5:+NULL

stop_server() {
    kill "$server_pid"
    wait "$server_pid" 2>/dev/null || true
}

talks_begin() {
    talk_port=$1
    talk_names=() talk_versions=() talk_ciphers=() talk_sent=()
    capture_start "$work/talks.pcap" "$1"
}

received() {
    [ "$(stat -c %s "$1")" -ge "$2" ]
}

# speak OUT echo|rev: to a client's standard input: the lines; after their answer in OUT, the end
speak() {
    cat "$work/lines"
    until_true 10 received "$1" "$(stat -c %s "$work/lines")" || true
    [ "$2" = echo ] || echo CLOSE
}

# talk NAME VERSION CIPHER echo|rev CLIENT...: one connection, and its place in the list
talk() {
    local number=$((${#talk_names[@]} + 1)) kind=$4 answer=$work/lines
    local out=$work/talk.$number
    talk_names+=("$1") talk_versions+=("$2") talk_ciphers+=("$3")
    talk_sent+=("$work/lines$([ "$kind" = echo ] || echo -close)")
    shift 4
    : >"$out"
    # shellcheck disable=SC2094 # only the size is read, and meant to grow
    speak "$out" "$kind" | timeout 20 "$@" >"$out" 2>"$work/client.err" || true
    [ "$kind" = echo ] || answer=$work/lines-rev
    check "${talk_names[-1]}: the peers understand each other" same "$out" "$answer"
}

# openssl_talk echo|rev VERSION SUITE [OPTIONS]
openssl_talk() {
    local kind=$1 version=$2 suite=$3 cipher
    shift 3
    cipher=$(openssl ciphers -stdname "$suite:@SECLEVEL=0" | grep -F " $suite " | cut -d' ' -f1)
    talk "openssl $version $suite $*" "TLSv1${version#tls1_}" "$cipher" "$kind" openssl s_client \
        -connect "127.0.0.1:$talk_port" "-${version%_0}" -cipher "$suite:@SECLEVEL=0" -quiet "$@"
}

# gnutls_talk echo|rev VERSION SUITE PRIORITY [OPTIONS]: SUITE as gnutls-cli -l calls it
gnutls_talk() {
    local kind=$1 version=$2 suite=$3 extra=$4 parts cipher mac
    shift 4
    parts=${suite#TLS_RSA_}
    mac=${parts##*_} cipher=${parts%_*}
    case $parts in
    *_GCM_*) mac=AEAD ;;
    *_CCM | *_CCM_8) mac=AEAD cipher=$parts ;;
    3DES*) cipher=3DES_CBC ;;
    esac
    talk "gnutls $version $suite $extra $*" "TLSv${version/./}" "$(iana_name "$suite")" "$kind" gnutls-cli \
        --logfile="$work/gnutls-cli.log" -p "$talk_port" --no-ca-verification --priority \
        "NONE:+VERS-TLS$version:+RSA:+${cipher//_/-}:+$mac:+SIGN-ALL:+GROUP-ALL:+CTYPE-ALL$extra" \
        "$@" 127.0.0.1
}

iana_name() {
    sed -e 's/^TLS_RSA_/TLS_RSA_WITH_/; s/ARCFOUR/RC4/; s/SHA1$/SHA/' <<<"$1"
}

# Decrypts the capture and compares every conversation.
talks_check() {
    local i flow
    capture_stop
    rm -rf "$work/talks"
    [ ${#talk_secrets[@]} -gt 0 ] || talk_secrets=(-k "$work/server.key")
    run_status 0 "$plainflow" decrypt --strict "${talk_secrets[@]}" -o "$work/talks" \
        "$work/talks.pcap" || fail "decrypt"
    check "as many flows as conversations" test "$(flow_count "$work/talks")" = ${#talk_names[@]}
    for i in "${!talk_names[@]}"; do
        flow=$((i + 1))
        expect_flow "$work/talks" $flow "${talk_names[i]}" "${talk_sent[i]}" "$work/talk.$flow"
        check "${talk_names[i]}: status" test "$(field "$work/talks" $flow status)" = decrypted
        check "${talk_names[i]}: version" test "$(field "$work/talks" $flow version)" = \
            "${talk_versions[i]}"
        check "${talk_names[i]}: suite" test "$(field "$work/talks" $flow cipher)" = "${talk_ciphers[i]}"
    done
}

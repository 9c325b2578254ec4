# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# An Apache of one's own: start_apache PORT SUITE [DIRECTIVE...], stop_apache. Needs lib.sh, net.sh.

apache_modules() {
    apache2 -V 2>/dev/null | sed -n 's/.*HTTPD_ROOT="\(.*\)"/\1/p' >"$work/httpd-root"
    for folder in /usr/lib/apache2/modules "$(cat "$work/httpd-root")/modules"; do
        [ ! -e "$folder/mod_ssl.so" ] || { echo "$folder" && return; }
    done
    skip "Apache's mod_ssl is missing"
}

start_apache() {
    local port=$1 suite=$2 modules module
    shift 2
    modules=$(apache_modules)
    {
        for module in mpm_event authz_core socache_shmcb ssl; do
            echo "LoadModule ${module}_module $modules/mod_$module.so"
        done
        [ "$(id -u)" != 0 ] || printf 'User nobody\nGroup nogroup\n'
        cat <<-END
	ServerRoot "$work"
	ServerName localhost
	PidFile "$work/apache.pid"
	ErrorLog "$work/apache-error.log"
	DefaultRuntimeDir "$work"
	DocumentRoot "$work/site"
	Listen 127.0.0.1:$port
	StartServers 1
	SSLEngine on
	SSLCertificateFile "$work/server.crt"
	SSLCertificateKeyFile "$work/server.key"
	SSLProtocol all -TLSv1.3
	SSLCipherSuite $suite:@SECLEVEL=0
	SSLHonorCipherOrder on
	END
        printf '%s\n' "$@"
    } >"$work/apache.conf"
    grep -q nogroup /etc/group || sed -i 's/^Group nogroup/Group nobody/' "$work/apache.conf"
    background "$work/apache.log" apache2 -f "$work/apache.conf" -DFOREGROUND
    apache_pid=$pid
    wait_server "$port" "$work/apache.log"
}

stop_apache() {
    kill "$apache_pid"
    wait "$apache_pid" || true
}

// SPDX-License-Identifier: Apache-2.0
#include "capture/format.h"

#include <string.h>

struct magic {
    const char *bytes;
    size_t len;
    const char *name;
};

const char *pf_format_name(const uint8_t *head, size_t len)
{
    static const struct magic table[] = {
        {"snoop\0\0\0", 8, "a snoop capture"},
        {"RTSS", 4, "a Network Monitor 1 capture"},
        {"GMBU", 4, "a Network Monitor 2 capture"},
        {"TRSNIFF data", 12, "a Sniffer capture"},
        {"XCP\0", 4, "a NetXRay capture"},
        {"\x05VNF", 4, "a Visual Networks capture"},
        {"iptrace ", 8, "an iptrace capture"},
        {"\x1c\x00\x01\xac", 4, "an IXIA lcap capture"},
        {"\xac\x01\x00\x1c", 4, "an IXIA lcap capture"},
        {"\xfd"
         "7zXZ",
         5, "xz-compressed"},
        {"BZh", 3, "bzip2-compressed"},
        {"PK\x03\x04", 4, "a zip archive"},
        {"7z\xbc\xaf\x27\x1c", 6, "a 7z archive"},
        {"\x02\x21\x4c\x18", 4, "compressed with the legacy lz4 format"},
        {"\x1f\x9d", 2, "compressed with compress"},
        {"-----BEGIN", 10, "a PEM file"},
        {"CLIENT_RANDOM ", 14, "a key log"},
        {"CLIENT_HANDSHAKE", 16, "a key log"},
        {"# SSL/TLS secret", 16, "a key log"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (len >= table[i].len && memcmp(head, table[i].bytes, table[i].len) == 0) {
            return table[i].name;
        }
    }
    return NULL;
}

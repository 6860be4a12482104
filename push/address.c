/* SPDX-License-Identifier: Apache-2.0 */
/* address.c: see address.h. */
#include "push/address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct range {
        uint8_t prefix[16];
        uint8_t bits;
};

static const struct range private_v4[] = {
        { { 0 }, 8 },               /* this network */
        { { 10 }, 8 },              /* private */
        { { 100, 64 }, 10 },        /* shared by carriers */
        { { 127 }, 8 },             /* loopback */
        { { 169, 254 }, 16 },       /* link-local, with the metadata services */
        { { 172, 16 }, 12 },        /* private */
        { { 192, 0, 0 }, 24 },      /* protocol assignments */
        { { 192, 0, 2 }, 24 },      /* documentation */
        { { 192, 88, 99 }, 24 },    /* 6to4 relays */
        { { 192, 168 }, 16 },       /* private */
        { { 198, 18 }, 15 },        /* benchmarks */
        { { 198, 51, 100 }, 24 },   /* documentation */
        { { 203, 0, 113 }, 24 },    /* documentation */
        { { 224 }, 4 },             /* multicast */
        { { 240 }, 4 },             /* reserved, and broadcast */
};

static const struct range private_v6[] = {
        { { 0 }, 96 },                                    /* unspecified, loopback, IPv4-compatible */
        { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48 },   /* local translation */
        { { 0x01, 0x00 }, 64 },                           /* discard only */
        { { 0x20, 0x01, 0x00, 0x00 }, 23 },               /* protocol assignments, Teredo among them */
        { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },               /* documentation */
        { { 0x3f, 0xff, 0x00 }, 20 },                     /* documentation */
        { { 0x5f, 0x00 }, 16 },                           /* segment routing */
        { { 0xfc }, 7 },                                  /* unique local */
        { { 0xfe, 0x80 }, 10 },                           /* link-local */
        { { 0xfe, 0xc0 }, 10 },                           /* site-local */
        { { 0xff }, 8 },                                  /* multicast */
};

/* Those that carry an IPv4 address, which then decides, and at which byte. */
static const struct {
        struct range range;
        uint8_t at;
} embedding_v6[] = {
        { { { [10] = 0xff, [11] = 0xff }, 96 }, 12 },     /* IPv4-mapped */
        { { { 0x00, 0x64, 0xff, 0x9b }, 96 }, 12 },       /* NAT64 */
        { { { 0x20, 0x02 }, 16 }, 2 },                    /* 6to4 */
};

static bool is_in(const uint8_t *address, const struct range *range) {
        size_t whole = range->bits / 8;
        unsigned rest = range->bits % 8;
        if (memcmp(address, range->prefix, whole) != 0)
                return false;
        return rest == 0 || ((address[whole] ^ range->prefix[whole]) >> (8 - rest)) == 0;
}

static bool is_public_v4(const uint8_t *address) {
        for (size_t i = 0; i < sizeof(private_v4) / sizeof(private_v4[0]); i++)
                if (is_in(address, &private_v4[i]))
                        return false;
        return true;
}

static bool is_public_v6(const uint8_t *address) {
        for (size_t i = 0; i < sizeof(embedding_v6) / sizeof(embedding_v6[0]); i++)
                if (is_in(address, &embedding_v6[i].range))
                        return is_public_v4(address + embedding_v6[i].at);
        for (size_t i = 0; i < sizeof(private_v6) / sizeof(private_v6[0]); i++)
                if (is_in(address, &private_v6[i]))
                        return false;
        return true;
}

bool address_is_public(const struct sockaddr *address) {
        if (address->sa_family == AF_INET)
                return is_public_v4((const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
        if (address->sa_family == AF_INET6)
                return is_public_v6((const uint8_t *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
        return false;
}

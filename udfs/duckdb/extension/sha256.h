#ifndef FORESQL_SHA256_H
#define FORESQL_SHA256_H

#include <stdint.h>

/* The sha256 of bytes, as 64 hexadecimal digits and a final 0. */
void sha256(const void *bytes, int64_t size, char digest[65]);

/* Whether a text of 64 characters is a digest. */
int is_digest(const char *text);

#endif

#ifndef FORESQL_REFERENCE_H
#define FORESQL_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "message.h"

#define NAME_SIZE 64
#define BUNDLE_SUFFIX ".foresql"

typedef struct {
    char name[NAME_SIZE];
    char alias[NAME_SIZE]; /* empty: none */
    int64_t version;       /* 0: none */
} Reference;

/* Read name@alias, name:version or name: what is read can be a folder's name everywhere. Returns 0,
 * or 1 with a message. */
int parse_reference(const char *text, Reference *reference, Message *message);

/* How long the path in a reference is, without a # and a digest behind it; 0 where the reference is
 * no path of a bundle. */
size_t bundle_path_length(const char *text);

/* What ends the folder in a path; NULL where there is none. */
const char *last_slash(const char *text);

void copy_lower(char to[NAME_SIZE], const char *from);

#endif

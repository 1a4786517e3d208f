#ifndef FORESQL_REGISTRY_FILE_H
#define FORESQL_REGISTRY_FILE_H

#include "files.h"

#define MOST_PATH 4096

typedef struct {
    char path[MOST_PATH];
    char digest[65]; /* what the bundle at path must have; empty where nobody knows */
} BundlePlace;

/* Find the bundle that a reference means now. It is a path that ends in .foresql, with # and the
 * digest that the bundle must have after it or not; or one of name@alias, name:version and name,
 * with the registry's folder and a slash before it or not. registry is the folder where it has none.
 * Returns 0, or 1 with a message. */
int resolve_reference(Files *files, const char *registry, const char *reference,
                      BundlePlace *place, Message *message);

#endif

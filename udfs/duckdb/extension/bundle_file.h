#ifndef FORESQL_BUNDLE_FILE_H
#define FORESQL_BUNDLE_FILE_H

#include "files.h"

typedef struct {
    char digest[65];         /* of the manifest: it names the bundle, and covers every byte */
    char program_digest[65];
    int64_t program_start;   /* where the program lies in the file */
    int64_t program_size;
    void *file;
} BundleFile;

/* Open a bundle and check its directory and its manifest. expected, if not NULL, is the digest that
 * it has in a registry. Returns 0, or 1 with a message; then nothing is open. */
int open_bundle(Files *files, const char *path, const char *expected, BundleFile *bundle,
                Message *message);

/* Read the program and check it: memory for free(), of program_size bytes. NULL with a message. */
void *read_program(Files *files, const char *path, const BundleFile *bundle, Message *message);

void close_bundle(Files *files, BundleFile *bundle);

#endif

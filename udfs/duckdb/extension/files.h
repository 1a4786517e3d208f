/* How files are read, so that the readers of bundles and registries need no DuckDB. */

#ifndef FORESQL_FILES_H
#define FORESQL_FILES_H

#include <stdint.h>

#include "message.h"

typedef struct Files Files;
struct Files {
    void *context;
    /* Open a file and give its size. All return 0, or 1 with a message. */
    int (*open)(Files *files, const char *path, void **file, int64_t *size, Message *message);
    /* Fill the buffer from a position: all of size, or it is an error. */
    int (*read)(Files *files, void *file, int64_t position, void *buffer, int64_t size,
                Message *message);
    void (*close)(Files *files, void *file);
};

#endif

/* Files in memory, for the fuzzers of the readers of bundles and registries.
 *
 * A file's bytes end where its memory ends, and what is read goes through memcpy, so both sides of a
 * wrong read are reported. */

#ifndef FORESQL_MEMORY_FILES_H
#define FORESQL_MEMORY_FILES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../udfs/duckdb/extension/files.h"

enum { MOST_FILES = 64 };

typedef struct {
    char *path; /* NULL: the file of every path */
    uint8_t *bytes;
    int64_t size;
} MemoryFile;

typedef struct {
    MemoryFile file[MOST_FILES];
    int count, opened; /* opened: and not closed */
} MemoryFolder;

static void require(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* A copy that ends where its memory ends. */
static void *copied(const void *bytes, size_t size) {
    void *made = malloc(size ? size : 1);
    require(made != NULL, "no memory");
    if (size) memcpy(made, bytes, size);
    return made;
}

static int open_memory(Files *files, const char *path, void **file, int64_t *size,
                       Message *message) {
    MemoryFolder *folder = files->context;
    for (int i = 0; i < folder->count; i++) {
        MemoryFile *each = folder->file + i;
        if (each->path && strcmp(each->path, path)) continue;
        folder->opened++;
        *file = each;
        *size = each->size;
        return 0;
    }
    return fail(message, "%s cannot be opened: there is none", path);
}

static int read_memory(Files *files, void *file, int64_t position, void *buffer, int64_t size,
                       Message *message) {
    const MemoryFile *from = file;
    (void)files;
    require(size >= 0, "less than nothing is read");
    if (position < 0 || position > from->size || size > from->size - position)
        return fail(message, "it cannot be read at byte %lld", (long long)position);
    if (size) memcpy(buffer, from->bytes + position, (size_t)size);
    return 0;
}

static void close_memory(Files *files, void *file) {
    MemoryFolder *folder = files->context;
    require(file != NULL && folder->opened > 0, "what is not open is closed");
    folder->opened--;
}

static Files memory_files(MemoryFolder *folder) {
    Files files = {folder, open_memory, read_memory, close_memory};
    return files;
}

/* What is refused is refused in words, which DuckDB takes only as UTF-8. */
static void require_words(const Message *message) {
    Message same;
    require(memchr(message->text, 0, sizeof message->text) != NULL, "a refusal without an end");
    require(message->text[0] != 0, "a refusal without words");
    strcpy(same.text, message->text);
    make_utf8(same.text);
    require(strcmp(same.text, message->text) == 0, "a refusal that is no UTF-8");
}

#endif

/* Fuzz the extension's reader of registries: any records are refused, or give a bundle's place.
 *
 * An input is a reference and then the paths and the bytes of files, with a separator between them.
 * No file outside of the registry's folder is asked for, whatever its records say.
 */

#include "../../udfs/duckdb/extension/folder.h"
#include "../../udfs/duckdb/extension/reference.h"
#include "../../udfs/duckdb/extension/registry_file.h"
#include "../../udfs/duckdb/extension/sha256.h"
#include "memory_files.h"

enum { SEPARATOR = 0x1E, LONGEST_NAME = 255 };
static const char REGISTRY[] = "root";

/* What list_folder shows: it takes no context. */
static MemoryFolder folder;

static int has_before(int file, const char *name, size_t length, size_t start) {
    for (int i = 0; i < file; i++) {
        const char *path = folder.file[i].path;
        if (!strncmp(path, folder.file[file].path, start) && !strncmp(path + start, name, length) &&
            (path[start + length] == 0 || path[start + length] == '/'))
            return 1;
    }
    return 0;
}

int list_folder(const char *path, void (*visit)(void *context, const char *name), void *context) {
    const size_t length = strlen(path);
    int found = 0;
    for (int i = 0; i < folder.count; i++) {
        const char *each = folder.file[i].path;
        if (strncmp(each, path, length) || each[length] != '/') continue;
        const char *name = each + length + 1;
        const size_t bytes = strcspn(name, "/");
        found = 1;
        if (bytes < 1 || bytes > LONGEST_NAME || *name == '.') continue;
        if (has_before(i, name, bytes, length + 1)) continue;
        char *entry = copied(name, bytes + 1);
        entry[bytes] = 0;
        visit(context, entry);
        free(entry);
    }
    return !found;
}

/* The next part of an input, as a text that ends with a 0; NULL behind the last. */
static char *next_part(const uint8_t **data, size_t *left, size_t *length) {
    if (*data == NULL) return NULL;
    const uint8_t *end = *left ? memchr(*data, SEPARATOR, *left) : NULL;
    *length = end ? (size_t)(end - *data) : *left;
    char *made = malloc(*length + 1);
    require(made != NULL, "no memory");
    if (*length) memcpy(made, *data, *length);
    made[*length] = 0;
    *left = end ? *left - *length - 1 : 0;
    *data = end ? end + 1 : NULL;
    return made;
}

static void fill_folder(const uint8_t *data, size_t size) {
    size_t length;
    char *path, *bytes;
    for (folder.count = 0; folder.count < MOST_FILES; folder.count++) {
        if ((path = next_part(&data, &size, &length)) == NULL) return;
        bytes = next_part(&data, &size, &length);
        MemoryFile file = {path, copied(bytes ? bytes : "", bytes ? length : 0),
                           bytes ? (int64_t)length : 0};
        free(bytes);
        folder.file[folder.count] = file;
    }
}

static void empty_folder(void) {
    for (int i = 0; i < folder.count; i++) {
        free(folder.file[i].path);
        free(folder.file[i].bytes);
    }
    folder.count = 0;
}

static const char *asked; /* the reference */

static int open_inside(Files *files, const char *path, void **file, int64_t *size,
                       Message *message) {
    const char *slash = last_slash(asked);
    const char *root = slash ? asked : REGISTRY;
    const size_t length = slash ? (size_t)(slash - asked) : strlen(REGISTRY);
    require(!strncmp(path, root, length) && path[length] == '/' && !strstr(path + length, ".."),
            "a file outside of the registry is read");
    return open_memory(files, path, file, size, message);
}

static void check_place(const BundlePlace *place) {
    require(memchr(place->path, 0, MOST_PATH) != NULL, "a path without an end");
    const size_t length = strlen(place->path), end = strlen(BUNDLE_SUFFIX);
    require(length >= end && strcmp(place->path + length - end, BUNDLE_SUFFIX) == 0,
            "a place is no bundle's");
    if (bundle_path_length(asked)) {
        require(place->digest[0] == 0 || is_digest(place->digest), "a digest is none");
        return;
    }
    require(is_digest(place->digest) && length > end + 64 &&
                !memcmp(place->path + length - end - 64, place->digest, 64),
            "a place is not its digest's");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t length;
    char *reference = next_part(&data, &size, &length);
    Files files = memory_files(&folder);
    BundlePlace place;
    Message message;
    if (reference == NULL) return 0;
    files.open = open_inside;
    asked = reference;
    memset(&place, 0xAA, sizeof place);
    memset(&message, 0xAA, sizeof message);
    fill_folder(data, size);
    if (resolve_reference(&files, REGISTRY, reference, &place, &message)) require_words(&message);
    else check_place(&place);
    require(folder.opened == 0, "a file stays open");
    empty_folder();
    free(reference);
    return 0;
}

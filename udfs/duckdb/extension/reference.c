/* How models are named: registry/references.py. */

#include "reference.h"

#include <stdlib.h>
#include <string.h>

#include "sha256.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

void copy_lower(char to[NAME_SIZE], const char *from)
{
    do
        *to++ = *from >= 'A' && *from <= 'Z' ? (char)(*from + 'a' - 'A') : *from;
    while (*from++);
}

static int is_name(const char *text, size_t length)
{
    size_t good = strspn(text, LETTERS DIGITS "_");
    return length >= 1 && length < NAME_SIZE && good >= length && strspn(text, LETTERS) >= 1;
}

int parse_reference(const char *text, Reference *reference, Message *message)
{
    size_t length = strcspn(text, "@:");
    const char *rest = text + length + 1;
    memset(reference, 0, sizeof *reference);
    if (is_name(text, length)) {
        memcpy(reference->name, text, length);
        if (text[length] == 0)
            return 0;
        if (text[length] == '@' && is_name(rest, strlen(rest))) {
            strcpy(reference->alias, rest);
            return 0;
        }
        size_t digits = strspn(rest, DIGITS);
        if (text[length] == ':' && *rest != '0' && digits >= 1 && digits <= 9 && !rest[digits]) {
            reference->version = strtol(rest, NULL, 10);
            return 0;
        }
    }
    return fail(message,
                "'%.200s' names no model. Write 'name@alias', 'name:version', or the path of a "
                ".foresql file. A registry's folder may stand before a name, with a slash.",
                text);
}

const char *last_slash(const char *text)
{
    const char *slash = strrchr(text, '/');
#ifdef _WIN32
    const char *back = strrchr(text, '\\');
    slash = slash == NULL || (back != NULL && back > slash) ? back : slash;
#endif
    return slash;
}

static int ends_with(const char *text, size_t length, const char *end)
{
    return length > strlen(end) && memcmp(text + length - strlen(end), end, strlen(end)) == 0;
}

size_t bundle_path_length(const char *text)
{
    size_t length = strlen(text);
    if (length > 65 && text[length - 65] == '#' && is_digest(text + length - 64))
        length -= 65;
    return ends_with(text, length, BUNDLE_SUFFIX) ? length : 0;
}

